#include "net/http/message.h"

#include <cstring>
#include <utility>

namespace sluice::net::http {

void Fields::make_room() {
  const std::size_t room = std::min(room_ * 2, kMaxFields);
  auto more = std::make_unique_for_overwrite<std::byte[]>(room * sizeof(Field));
  auto* begin = reinterpret_cast<Field*>(more.get());
  std::uninitialized_copy_n(begin_, count_, begin);
  more_ = std::move(more);
  begin_ = begin;
  room_ = room;
}

namespace {

// A name written in lower case at compile time, as words that are compared with the received bytes. Only letters get
// the bit that makes them lower case, so that no other byte can pass for '-' or a digit.
template <std::size_t N>
struct Literal {
  char text[N]{};
  consteval Literal(const char (&s)[N]) {  // NOLINT(google-explicit-constructor): reads as a string at its place of use
    for (std::size_t i = 0; i < N; ++i) text[i] = s[i];
  }
  static constexpr std::size_t size = N - 1;
};

template <class Word, Literal L>
consteval Word word_at(std::size_t at, bool fold) {
  Word w = 0;
  for (std::size_t i = 0; i < sizeof(Word); ++i) {
    const char c = L.text[at + i];
    const auto byte = static_cast<std::uint8_t>(fold ? (c >= 'a' && c <= 'z' ? 0x20 : 0) : c);
    w = static_cast<Word>(w | static_cast<Word>(static_cast<Word>(byte) << (8 * i)));
  }
  return w;
}

template <class Word>
Word load(const char* p) noexcept {
  Word w;
  std::memcpy(&w, p, sizeof w);
  if constexpr (sizeof(Word) == 8 && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) w = __builtin_bswap64(w);
  if constexpr (sizeof(Word) == 4 && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) w = __builtin_bswap32(w);
  return w;
}

template <class Word, Literal L, std::size_t At>
bool same_word(const char* p) noexcept {
  constexpr Word value = word_at<Word, L>(At, false);
  constexpr Word fold = word_at<Word, L>(At, true);
  return static_cast<Word>(load<Word>(p + At) | fold) == value;
}

// Do the L.size bytes at p spell L in any case? Words overlap at the end instead of a loop over single bytes.
template <Literal L>
bool same(const char* p) noexcept {
  constexpr std::size_t n = L.size;
  if constexpr (n >= 8) {
    if (!same_word<std::uint64_t, L, n - 8>(p)) return false;
    if constexpr (n > 8)
      if (!same_word<std::uint64_t, L, 0>(p)) return false;
    if constexpr (n > 16)
      if (!same_word<std::uint64_t, L, 8>(p)) return false;
    if constexpr (n > 24)
      if (!same_word<std::uint64_t, L, 16>(p)) return false;
    static_assert(n <= 32);
    return true;
  } else if constexpr (n >= 4) {
    return same_word<std::uint32_t, L, 0>(p) && same_word<std::uint32_t, L, n - 4>(p);
  } else {
    for (std::size_t i = 0; i < n; ++i)
      if ((p[i] | (L.text[i] >= 'a' ? 0x20 : 0)) != L.text[i]) return false;
    return true;
  }
}

}  // namespace

Method method_of(std::string_view token) noexcept {
  const auto is = [&]<std::size_t N>(const char(&text)[N]) { return std::memcmp(token.data(), text, N - 1) == 0; };
  switch (token.size()) {
    case 3:
      return is("GET") ? Method::get : is("PUT") ? Method::put : Method::other;
    case 4:
      return is("POST") ? Method::post : is("HEAD") ? Method::head : Method::other;
    case 5:
      return is("PATCH") ? Method::patch : is("TRACE") ? Method::trace : Method::other;
    case 6:
      return is("DELETE") ? Method::del : Method::other;
    case 7:
      return is("OPTIONS") ? Method::options : is("CONNECT") ? Method::connect : Method::other;
    default:
      return Method::other;
  }
}

std::string_view to_string(Method m) noexcept {
  switch (m) {
    case Method::get:
      return "GET";
    case Method::head:
      return "HEAD";
    case Method::post:
      return "POST";
    case Method::put:
      return "PUT";
    case Method::del:
      return "DELETE";
    case Method::patch:
      return "PATCH";
    case Method::options:
      return "OPTIONS";
    case Method::trace:
      return "TRACE";
    case Method::connect:
      return "CONNECT";
    case Method::other:
      break;
  }
  return "other";
}

Name name_of(std::string_view name) noexcept {
  const char* p = name.data();
  switch (name.size()) {
    case 2:
      if (same<"te">(p)) return Name::te;
      break;
    case 3:
      if (same<"via">(p)) return Name::via;
      break;
    case 4:
      if (same<"host">(p)) return Name::host;
      if (same<"date">(p)) return Name::date;
      break;
    case 5:
      if (same<"proxy">(p)) return Name::proxy;
      break;
    case 6:
      if (same<"cookie">(p)) return Name::cookie;
      if (same<"server">(p)) return Name::server;
      if (same<"expect">(p)) return Name::expect;
      break;
    case 7:
      if (same<"referer">(p)) return Name::referer;
      if (same<"upgrade">(p)) return Name::upgrade;
      if (same<"trailer">(p)) return Name::trailer;
      if (same<"baggage">(p)) return Name::baggage;
      break;
    case 8:
      if (same<"cdn-loop">(p)) return Name::cdn_loop;
      if (same<"location">(p)) return Name::location;
      if (same<"x-scheme">(p)) return Name::x_scheme;
      break;
    case 9:
      if (same<"x-real-ip">(p)) return Name::x_real_ip;
      if (same<"forwarded">(p)) return Name::forwarded;
      break;
    case 10:
      if (same<"user-agent">(p)) return Name::user_agent;
      if (same<"connection">(p)) return Name::connection;
      if (same<"keep-alive">(p)) return Name::keep_alive;
      if (same<"tracestate">(p)) return Name::tracestate;
      break;
    case 12:
      if (same<"content-type">(p)) return Name::content_type;
      if (same<"x-request-id">(p)) return Name::x_request_id;
      if (same<"max-forwards">(p)) return Name::max_forwards;
      break;
    case 13:
      if (same<"authorization">(p)) return Name::authorization;
      break;
    case 14:
      if (same<"content-length">(p)) return Name::content_length;
      if (same<"http2-settings">(p)) return Name::http2_settings;
      if (same<"x-original-uri">(p)) return Name::x_original_uri;
      break;
    case 15:
      if (same<"accept-encoding">(p)) return Name::accept_encoding;
      if (same<"x-forwarded-for">(p)) return Name::x_forwarded_for;
      break;
    case 16:
      if (same<"content-encoding">(p)) return Name::content_encoding;
      if (same<"proxy-connection">(p)) return Name::proxy_connection;
      if (same<"x-forwarded-host">(p)) return Name::x_forwarded_host;
      if (same<"x-forwarded-port">(p)) return Name::x_forwarded_port;
      break;
    case 17:
      if (same<"transfer-encoding">(p)) return Name::transfer_encoding;
      if (same<"x-forwarded-proto">(p)) return Name::x_forwarded_proto;
      break;
    case 18:
      if (same<"proxy-authenticate">(p)) return Name::proxy_authenticate;
      if (same<"x-forwarded-scheme">(p)) return Name::x_forwarded_scheme;
      break;
    case 19:
      if (same<"proxy-authorization">(p)) return Name::proxy_authorization;
      break;
    case 24:
      if (same<"x-original-forwarded-for">(p)) return Name::x_original_forwarded_for;
      break;
    case 25:
      if (same<"strict-transport-security">(p)) return Name::strict_transport_security;
      if (same<"x-original-forwarded-host">(p)) return Name::x_original_forwarded_host;
      break;
    default:
      break;
  }
  if (name.size() > 8 && (p[0] | 0x20) == 'x' && same<"x-accel-">(p)) return Name::x_accel;
  return Name::other;
}

}  // namespace sluice::net::http
