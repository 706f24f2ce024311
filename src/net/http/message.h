#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>

// HTTP values that do not know their version on the wire. Views point into memory of the connection that parsed them
// and stay valid until that exchange is over.
namespace sluice::net::http {

// Methods that have a meaning here; `other` is any other token (RFC 9110 section 9.1), passed on as it is.
enum class Method : std::uint8_t { get, head, post, put, del, patch, options, trace, connect, other };
Method method_of(std::string_view token) noexcept;
std::string_view to_string(Method m) noexcept;  // "other" for other: a bounded label
// RFC 9110 section 9.2.2.
constexpr bool idempotent(Method m) noexcept {
  return m == Method::get || m == Method::head || m == Method::put || m == Method::del || m == Method::options ||
         m == Method::trace;
}

// Well-known field names, so that the path of a request compares a byte and not a string.
enum class Name : std::uint8_t {
  other,
  accept_encoding,
  authorization,
  baggage,
  cdn_loop,
  connection,
  content_encoding,
  content_length,
  content_type,
  cookie,
  date,
  expect,
  forwarded,
  host,
  http2_settings,
  keep_alive,
  location,
  max_forwards,
  proxy,
  proxy_authenticate,
  proxy_authorization,
  proxy_connection,
  referer,
  server,
  strict_transport_security,
  te,
  tracestate,
  trailer,
  transfer_encoding,
  upgrade,
  user_agent,
  via,
  x_accel,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_port,
  x_forwarded_proto,
  x_forwarded_scheme,
  x_original_forwarded_for,
  x_original_forwarded_host,
  x_original_uri,
  x_real_ip,
  x_request_id,
  x_scheme,
};
// `name` in any case. x_accel stands for every name that starts with "x-accel-".
Name name_of(std::string_view name) noexcept;

// Some of these names, so that a look for one that is not there costs a bit and not a walk over all fields.
class NameSet {
 public:
  constexpr NameSet() noexcept = default;
  constexpr NameSet(std::initializer_list<Name> names) noexcept {
    for (const Name n : names) add(n);
  }
  constexpr void add(Name n) noexcept { bits_ |= bit(n); }
  constexpr bool has(Name n) const noexcept { return (bits_ & bit(n)) != 0; }
  constexpr bool has_all(NameSet o) const noexcept { return (bits_ & o.bits_) == o.bits_; }

 private:
  static constexpr std::uint64_t bit(Name n) noexcept { return std::uint64_t{1} << static_cast<unsigned>(n); }
  static_assert(static_cast<unsigned>(Name::x_scheme) < 64);
  std::uint64_t bits_ = 0;
};

// Fields about one connection, which are never passed on (RFC 9110 section 7.6.1) and make a message of HTTP/2
// malformed (RFC 9113 section 8.2.2; but for `TE: trailers`, and HTTP2-Settings, which it does not name).
constexpr bool hop_by_hop(Name n) noexcept {
  return n == Name::connection || n == Name::keep_alive || n == Name::proxy_connection ||
         n == Name::transfer_encoding || n == Name::upgrade || n == Name::te || n == Name::http2_settings;
}
// Fields of a request that speak to a proxy (RFC 9110 section 11.7.2), or that pods take for a variable of CGI: never
// passed on.
constexpr bool for_the_proxy(Name n) noexcept {
  return n == Name::proxy || n == Name::proxy_authorization;
}

struct Field {
  std::string_view name;   // as received
  std::string_view value;  // without surrounding OWS
  Name id = Name::other;
  bool drop = false;  // set by rules (hop-by-hop, underscores…): not passed on
};
static_assert(std::is_trivially_copyable_v<Field> && std::is_trivially_destructible_v<Field>);

inline constexpr std::size_t kMaxFields = 256;  // hard ceiling above any configured limit

// How the end of a body is found (RFC 9112 section 6).
enum class Framing : std::uint8_t { none, length, chunked, until_close };

// At most kMaxFields fields in the order of the message. Heads have few: those need no memory but this object's, which
// is small. Once there were more, room for them is kept; shrink() gives it back.
class Fields {
 public:
  Fields() noexcept {}
  Fields(const Fields& o) { *this = o; }
  Fields& operator=(const Fields& o) {
    if (this == &o) return *this;
    count_ = 0;
    while (room_ < o.count_) make_room();
    count_ = o.count_;
    std::copy_n(o.begin_, count_, begin_);
    return *this;
  }
  std::size_t size() const noexcept { return count_; }
  bool full() const noexcept { return count_ == kMaxFields; }
  void clear() noexcept { count_ = 0; }
  void shrink() noexcept {
    count_ = 0;
    more_.reset();
    begin_ = few();
    room_ = kFew;
  }
  // There must be room for it below kMaxFields. References to the others end.
  Field& add() {
    if (count_ == room_) [[unlikely]]
      make_room();
    return *new (begin_ + count_++) Field;
  }
  void take_back() noexcept { --count_; }
  const Field& operator[](std::size_t i) const noexcept { return begin_[i]; }
  Field& operator[](std::size_t i) noexcept { return begin_[i]; }
  std::span<Field> all() noexcept { return {begin_, count_}; }
  std::span<const Field> all() const noexcept { return {begin_, count_}; }
  const Field* find(Name id) const noexcept {
    for (const Field& f : all())
      if (f.id == id) return &f;
    return nullptr;
  }

 private:
  static constexpr std::size_t kFew = 24;
  Field* few() noexcept { return reinterpret_cast<Field*>(few_); }
  void make_room();
  Field* begin_ = few();
  std::size_t count_ = 0, room_ = kFew;
  std::unique_ptr<std::byte[]> more_;
  alignas(Field) std::byte few_[kFew * sizeof(Field)];
};

// What a client gets once, though a pod says it several times, as nginx has it: of Content-Type the last one, and an
// empty one not at all; of Location the first.
class SaidOnce {
 public:
  // `field`, the last of `all`, has come.
  void came(Fields& all, Field& field) noexcept {
    if (field.id == Name::content_type) {
      if (types_ != 0) all[types_ - 1].drop = true;
      field.drop = field.value.empty();
      types_ = all.size();
    } else if (field.id == Name::location) {
      field.drop = location_;
      location_ = true;
    }
  }

 private:
  std::size_t types_ = 0;  // fields up to the last Content-Type, that included
  bool location_ = false;
};

struct RequestHead {
  std::string_view method_text;
  Method method = Method::other;
  std::string_view target;  // as received: origin-form, absolute-form, "*"
  std::string_view
      path_query;  // what goes upstream: target in origin-form ("/" for an empty absolute path); "*" for OPTIONS *
  std::string_view authority;  // Host, or the absolute-form's authority (both agree); may carry a port
  std::string_view host;       // authority without port; not lower-cased; without IPv6 brackets it is not
  int major = 1;               // 1 or 2
  int minor = 1;               // HTTP/1.minor; 1.2 and above are 1; always 1 in HTTP/2
  Fields fields;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;  // the client would go on (version and Connection)
  bool expect_continue = false;
  bool upgrade = false;  // Connection: upgrade with an Upgrade field whose token is not h2c; extended CONNECT in HTTP/2
  std::string_view upgrade_token;
  NameSet names;  // of all its fields, those that are dropped too
  // The first field of that name; null when there is none.
  const Field* find(Name n) const noexcept { return names.has(n) ? fields.find(n) : nullptr; }
  void clear() noexcept {
    method_text = target = path_query = authority = host = upgrade_token = {};
    method = Method::other;
    major = minor = 1;
    fields.clear();
    framing = Framing::none;
    content_length = 0;
    keep_alive = true;
    expect_continue = upgrade = false;
    names = {};
  }
};

struct ResponseHead {
  int status = 0;
  int major = 1;  // 1 or 2
  int minor = 1;
  std::string_view reason;
  Fields fields;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;  // the pod would go on
  // `Keep-Alive: timeout=N`: it ends the connection after so many seconds without a request. 0xffffffff: it says
  // nothing.
  std::uint32_t idle_seconds = kNotSaid;
  static constexpr std::uint32_t kNotSaid = ~std::uint32_t{0};

  // As before anything was read. Not an assignment, which would write over all the room for fields.
  void clear() noexcept {
    status = 0;
    major = minor = 1;
    reason = {};
    fields.clear();
    framing = Framing::none;
    content_length = 0;
    keep_alive = true;
    idle_seconds = kNotSaid;
  }
};

}  // namespace sluice::net::http
