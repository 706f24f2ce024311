// java DigestClient.java URL PASSWORD…: Java's HttpURLConnection with an Authenticator, one GET and one POST for each password; prints
// the statuses. -Djdk.net.hosts.file says where the host is.
import java.net.*;

class DigestClient {
  static String password;

  static int ask(String url, byte[] body) throws Exception {
    HttpURLConnection c = (HttpURLConnection) new URL(url).openConnection();
    c.setReadTimeout(20000);
    if (body != null) {
      c.setRequestMethod("POST");
      c.setDoOutput(true);
      c.getOutputStream().write(body);
    }
    try {
      int status = c.getResponseCode();
      java.io.InputStream body_of = status < 400 ? c.getInputStream() : c.getErrorStream();
      if (body_of != null) body_of.readAllBytes();
      return status;
    } catch (ProtocolException e) {  // "Server redirected too many times": it was refused again and again
      return 401;
    }
  }

  public static void main(String[] args) throws Exception {
    for (int i = 1; i < args.length; i++) {
      password = args[i];
      // A client of its own for each: credentials that were right are kept.
      Authenticator own = new Authenticator() {
        protected PasswordAuthentication getPasswordAuthentication() { return new PasswordAuthentication("foo", password.toCharArray()); }
      };
      Authenticator.setDefault(own);
      System.out.println(ask(args[0] + "/get?n=" + i, null) + " " + ask(args[0] + "/post?n=" + i, new byte[3000]));
    }
  }
}
