#include "net/tls/client_hello.h"

#include <openssl/ssl.h>

#include <optional>
#include <string>

#include "base/strings.h"
#include "support.h"

// ClientHellos: the same verdict for any pieces and any records, and the name that OpenSSL sees in the same bytes.
namespace {

using namespace sluice;            // NOLINT(google-build-using-namespace)
using namespace sluice::net::tls;  // NOLINT(google-build-using-namespace)
using State = ClientHelloReader::State;

// The server_name extension as OpenSSL hands it out, when it takes the message for a ClientHello.
std::optional<std::string> openssl_server_name(std::string_view bytes) {
  static SSL_CTX* const context = [] {
    SSL_CTX* made = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_client_hello_cb(
        made,
        [](SSL* ssl, int*, void*) {
          auto& out = *static_cast<std::optional<std::string>*>(SSL_get_app_data(ssl));
          out.emplace();
          const unsigned char* p = nullptr;
          std::size_t size = 0;
          if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &size) && size > 5)
            out->assign(reinterpret_cast<const char*>(p) + 5, size - 5);
          return SSL_CLIENT_HELLO_ERROR;
        },
        nullptr);
    return made;
  }();
  std::optional<std::string> out;
  SSL* ssl = SSL_new(context);
  BIO* in = BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()));
  BIO_set_mem_eof_return(in, -1);
  SSL_set_bio(ssl, in, BIO_new(BIO_s_null()));
  SSL_set_app_data(ssl, &out);
  SSL_accept(ssl);
  SSL_free(ssl);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::text_of(data, size);
  ClientHelloReader reader;
  const State state = reader.feed(bytes);
  const ClientHello& hello = reader.hello();
  PROPERTY((state == State::refused) == (reader.why()[0] != '\0'));
  PROPERTY(state != State::more || size < ClientHelloReader::kMaxBytes);
  PROPERTY(state == State::done || (hello.server_name.empty() && hello.alpn.empty()));
  PROPERTY(hello.server_name.size() <= 255 && lower(hello.server_name) == hello.server_name);

  ClientHelloReader in_pieces;
  fuzz::Pieces pieces(bytes);
  for (std::size_t at = 0; at < size;) {
    const auto n = pieces.next(size - at);
    in_pieces.feed(bytes.substr(at, n));
    at += n;
  }
  PROPERTY(in_pieces.state() == state && in_pieces.hello().server_name == hello.server_name &&
           in_pieces.hello().alpn == hello.alpn && in_pieces.hello().version == hello.version);
  if (state != State::done) return 0;

  // One name in a list of one: OpenSSL must have found the same bytes.
  if (const auto theirs = openssl_server_name(bytes); theirs && !theirs->empty() && !hello.server_name.empty()) {
    auto name = lower(*theirs);
    if (name.ends_with('.')) name.pop_back();
    PROPERTY(name == hello.server_name || theirs->size() > hello.server_name.size() + 1);
  }
  return 0;
}
