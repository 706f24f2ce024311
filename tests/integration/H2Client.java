// java H2Client.java BASE TLS: Java's HttpClient, over TLS by ALPN; plainly it asks for an upgrade to h2c, which nobody grants.
import java.net.URI;
import java.net.http.*;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.cert.X509Certificate;
import java.util.*;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.*;

class H2Client {
  static void expect(boolean good, String what) {
    if (!good) throw new AssertionError(what);
  }

  public static void main(String[] args) throws Exception {
    SSLContext trusting = SSLContext.getInstance("TLS");
    trusting.init(null, new TrustManager[] {new X509ExtendedTrustManager() {
      public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
      public void checkClientTrusted(X509Certificate[] c, String a) {}
      public void checkServerTrusted(X509Certificate[] c, String a) {}
      public void checkClientTrusted(X509Certificate[] c, String a, java.net.Socket s) {}
      public void checkServerTrusted(X509Certificate[] c, String a, java.net.Socket s) {}
      public void checkClientTrusted(X509Certificate[] c, String a, SSLEngine e) {}
      public void checkServerTrusted(X509Certificate[] c, String a, SSLEngine e) {}
    }}, null);
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).sslContext(trusting).build();
    HttpClient.Version wanted = args[1].equals("true") ? HttpClient.Version.HTTP_2 : HttpClient.Version.HTTP_1_1;
    client.send(HttpRequest.newBuilder(URI.create(args[0] + "/first")).build(), BodyHandlers.discarding());
    List<CompletableFuture<HttpResponse<byte[]>>> all = new ArrayList<>();
    for (int i = 0; i < 60; i++) all.add(client.sendAsync(HttpRequest.newBuilder(URI.create(args[0] + "/?size=" + i * 97)).build(), BodyHandlers.ofByteArray()));
    for (int i = 0; i < 60; i++) {
      HttpResponse<byte[]> a = all.get(i).get();
      expect(a.statusCode() == 200 && a.body().length == i * 97 && a.version() == wanted, "GET " + i + " " + a.version() + " " + a.statusCode());
    }
    HttpResponse<byte[]> a = client.send(HttpRequest.newBuilder(URI.create(args[0] + "/p")).POST(BodyPublishers.ofByteArray(new byte[1 << 20])).build(), BodyHandlers.ofByteArray());
    expect(a.headers().firstValue("x-req-length").orElse("").equals(String.valueOf(1 << 20)), "POST " + a.headers().map());
    a = client.send(HttpRequest.newBuilder(URI.create(args[0] + "/big?size=10000000")).build(), BodyHandlers.ofByteArray());
    expect(a.body().length == 10000000, "big");
    System.out.println("ok");
  }
}
