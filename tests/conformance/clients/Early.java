import java.io.ByteArrayInputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.concurrent.Callable;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import okhttp3.OkHttpClient;
import okhttp3.RequestBody;
import org.apache.hc.client5.http.async.methods.SimpleResponseConsumer;
import org.apache.hc.client5.http.classic.methods.HttpPost;
import org.apache.hc.client5.http.impl.async.HttpAsyncClients;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.client5.http.impl.nio.PoolingAsyncClientConnectionManagerBuilder;
import org.apache.hc.client5.http.ssl.ClientTlsStrategyBuilder;
import org.apache.hc.client5.http.ssl.HostnameVerificationPolicy;
import org.apache.hc.client5.http.ssl.NoopHostnameVerifier;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.io.entity.InputStreamEntity;
import org.apache.hc.core5.http.nio.entity.BasicAsyncEntityProducer;
import org.apache.hc.core5.http.nio.support.BasicRequestProducer;

/** Early CLIENT length|chunked URL BYTES TIMES: as early.py. */
public class Early {
  static String url;
  static boolean chunked, h2;
  static byte[] body;

  static final X509TrustManager ANYBODY = new X509TrustManager() {
    public void checkClientTrusted(X509Certificate[] chain, String type) {}
    public void checkServerTrusted(X509Certificate[] chain, String type) {}
    public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
  };

  static int urlConnection() throws Exception {
    HttpURLConnection c = (HttpURLConnection) new URL(url).openConnection();
    c.setRequestMethod("POST");
    c.setDoOutput(true);
    if (chunked) c.setChunkedStreamingMode(65536);
    else c.setFixedLengthStreamingMode(body.length);
    try (var out = c.getOutputStream()) {
      out.write(body);
    }
    return c.getResponseCode();
  }

  static int javaClient(SSLContext tls) throws Exception {
    HttpClient c = HttpClient.newBuilder().sslContext(tls).version(h2 ? HttpClient.Version.HTTP_2 : HttpClient.Version.HTTP_1_1).build();
    HttpRequest.BodyPublisher publisher = chunked ? HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body))
                                                  : HttpRequest.BodyPublishers.ofByteArray(body);
    HttpRequest r = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(60)).POST(publisher).build();
    return c.send(r, HttpResponse.BodyHandlers.discarding()).statusCode();
  }

  static int apache(SSLContext tls) throws Exception {
    if (!h2) {
      try (var c = HttpClients.custom().disableAutomaticRetries().build()) {
        HttpPost post = new HttpPost(url);
        post.setEntity(new InputStreamEntity(new ByteArrayInputStream(body), chunked ? -1 : body.length, ContentType.TEXT_PLAIN));
        return c.execute(post, answer -> answer.getCode());
      }
    }
    var strategy = ClientTlsStrategyBuilder.create().setSslContext(tls).setHostnameVerifier(NoopHostnameVerifier.INSTANCE)
        .setHostVerificationPolicy(HostnameVerificationPolicy.CLIENT).buildAsync();
    var connections = PoolingAsyncClientConnectionManagerBuilder.create().setTlsStrategy(strategy).build();
    try (var c = HttpAsyncClients.custom().setConnectionManager(connections).disableAutomaticRetries().build()) {
      c.start();
      var producer = new BasicRequestProducer("POST", URI.create(url), new BasicAsyncEntityProducer(body, ContentType.TEXT_PLAIN, chunked));
      return c.execute(producer, SimpleResponseConsumer.create(), null).get().getCode();
    }
  }

  static int okHttp(SSLContext tls) throws Exception {
    OkHttpClient c = new OkHttpClient.Builder().sslSocketFactory(tls.getSocketFactory(), ANYBODY).hostnameVerifier((host, session) -> true)
        .retryOnConnectionFailure(false).readTimeout(Duration.ofSeconds(60)).build();
    RequestBody post = new RequestBody() {
      public okhttp3.MediaType contentType() { return null; }
      public long contentLength() { return chunked ? -1 : body.length; }
      public void writeTo(okio.BufferedSink sink) throws java.io.IOException { sink.write(body); }
    };
    try (var answer = c.newCall(new okhttp3.Request.Builder().url(url).post(post).build()).execute()) {
      return answer.code();
    }
  }

  public static void main(String[] args) throws Exception {
    chunked = args[1].equals("chunked");
    url = args[2];
    h2 = url.startsWith("https");
    body = new byte[Integer.parseInt(args[3])];
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(null, new TrustManager[] {ANYBODY}, null);
    Callable<Integer> client = switch (args[0]) {
      case "HttpURLConnection" -> Early::urlConnection;
      case "java.net.http" -> () -> javaClient(tls);
      case "Apache" -> () -> apache(tls);
      default -> () -> okHttp(tls);
    };
    StringBuilder seen = new StringBuilder();
    for (int i = 0; i < Integer.parseInt(args[4]); ++i) {
      try {
        seen.append(client.call());
      } catch (Exception e) {
        seen.append(e.getCause() == null ? e.getClass().getSimpleName() : e.getCause().getClass().getSimpleName());
      }
      seen.append(' ');
    }
    System.out.println(seen);
    System.exit(0);
  }
}
