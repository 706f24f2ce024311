import java.net.URI;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import org.apache.hc.client5.http.async.methods.SimpleHttpRequest;
import org.apache.hc.client5.http.async.methods.SimpleRequestBuilder;
import org.apache.hc.client5.http.auth.AuthScope;
import org.apache.hc.client5.http.auth.CredentialsProvider;
import org.apache.hc.client5.http.auth.UsernamePasswordCredentials;
import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.classic.methods.HttpPost;
import org.apache.hc.client5.http.impl.async.HttpAsyncClients;
import org.apache.hc.client5.http.impl.auth.BasicCredentialsProvider;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.client5.http.impl.nio.PoolingAsyncClientConnectionManagerBuilder;
import org.apache.hc.client5.http.protocol.HttpClientContext;
import org.apache.hc.client5.http.ssl.ClientTlsStrategyBuilder;
import org.apache.hc.client5.http.ssl.HostnameVerificationPolicy;
import org.apache.hc.client5.http.ssl.NoopHostnameVerifier;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.io.entity.ByteArrayEntity;

/** Digest URL PASSWORD: Apache HttpClient as the user foo; GET, GET and POST in one context. Prints the statuses. https: its asynchronous client, over HTTP/2. */
public class Digest {
  static String answers(String url, CredentialsProvider who) throws Exception {
    HttpClientContext context = HttpClientContext.create();  // which keeps the nonce, and counts
    StringBuilder seen = new StringBuilder();
    try (var c = HttpClients.custom().setDefaultCredentialsProvider(who).disableAutomaticRetries().build()) {
      HttpPost post = new HttpPost(url + "/post?n=3");
      post.setEntity(new ByteArrayEntity(new byte[3000], ContentType.TEXT_PLAIN));
      for (var request : new org.apache.hc.client5.http.classic.methods.HttpUriRequestBase[] {new HttpGet(url + "/a?n=1"), new HttpGet(url + "/b?n=2"), post}) {
        int status = c.execute(request, context, answer -> answer.getCode());
        seen.append(status).append(' ');
      }
    }
    return seen.toString();
  }

  static String answersOverHttp2(String url, CredentialsProvider who) throws Exception {
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(null, new TrustManager[] {Early.ANYBODY}, null);
    var strategy = ClientTlsStrategyBuilder.create().setSslContext(tls).setHostnameVerifier(NoopHostnameVerifier.INSTANCE)
        .setHostVerificationPolicy(HostnameVerificationPolicy.CLIENT).buildAsync();
    var connections = PoolingAsyncClientConnectionManagerBuilder.create().setTlsStrategy(strategy).build();
    HttpClientContext context = HttpClientContext.create();
    StringBuilder seen = new StringBuilder();
    try (var c = HttpAsyncClients.custom().setConnectionManager(connections).setDefaultCredentialsProvider(who).disableAutomaticRetries().build()) {
      c.start();
      for (SimpleHttpRequest request : new SimpleHttpRequest[] {
               SimpleRequestBuilder.get(URI.create(url + "/a?n=1")).build(), SimpleRequestBuilder.get(URI.create(url + "/b?n=2")).build(),
               SimpleRequestBuilder.post(URI.create(url + "/post?n=3")).setBody(new byte[3000], ContentType.TEXT_PLAIN).build()})
        seen.append(c.execute(request, context, null).get().getCode()).append(' ');
    }
    return seen.toString();
  }

  public static void main(String[] args) throws Exception {
    BasicCredentialsProvider who = new BasicCredentialsProvider();
    who.setCredentials(new AuthScope(null, -1), new UsernamePasswordCredentials("foo", args[1].toCharArray()));
    System.out.println(args[0].startsWith("https") ? answersOverHttp2(args[0], who) : answers(args[0], who));
    System.exit(0);
  }
}
