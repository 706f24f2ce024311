#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "beast_heads.h"

// heads READER HEAD TIMES: reads one head so often and prints the nanoseconds of one time. READER: ours, checked (Beast
// under our checks), bare (Beast alone, nothing kept). bench/beast/measure.py asks for all of them in turn.
namespace {

using namespace sluice;       // NOLINT(google-build-using-namespace)
using namespace sluice::net;  // NOLINT(google-build-using-namespace)

struct Head {
  const char* name;
  bool request;
  std::string_view bytes;
};

// As bench/instructions asks, and its pod answers; as browsers ask; a response of 1 KiB, as pages of an application
// have it.
constexpr Head kHeads[] = {
    {"request", true,
     "GET /items?page=2 HTTP/1.1\r\n"
     "Host: app.example.com\r\n"
     "User-Agent: curl/8.5.0\r\n"
     "Accept: */*\r\n"
     "Accept-Encoding: gzip, br\r\n"
     "Cookie: session=0123456789abcdef\r\n"
     "\r\n"},
    {"browser", true,
     "GET /api/v1/items?page=2&sort=name&limit=1 HTTP/1.1\r\n"
     "Host: shop.example.com\r\n"
     "Connection: keep-alive\r\n"
     "Cache-Control: max-age=0\r\n"
     "sec-ch-ua: \"Chromium\";v=\"126\", \"Not.A/Brand\";v=\"8\"\r\n"
     "sec-ch-ua-mobile: ?0\r\n"
     "sec-ch-ua-platform: \"Linux\"\r\n"
     "Upgrade-Insecure-Requests: 1\r\n"
     "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
     "Safari/537.36\r\n"
     "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
     "Sec-Fetch-Site: same-origin\r\n"
     "Sec-Fetch-Mode: navigate\r\n"
     "Sec-Fetch-User: ?1\r\n"
     "Sec-Fetch-Dest: document\r\n"
     "Referer: https://shop.example.com/items\r\n"
     "Accept-Encoding: gzip, deflate, br, zstd\r\n"
     "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
     "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes; cart=a1b2c3d4e5f6\r\n"
     "If-None-Match: W/\"5f3-18c2d9a7e40\"\r\n"
     "If-Modified-Since: Sun, 22 Nov 2026 08:49:37 GMT\r\n"
     "\r\n"},
    {"response", false,
     "HTTP/1.1 200 OK\r\n"
     "Server: pod\r\n"
     "Date: Tue, 24 Nov 2026 00:00:00 GMT\r\n"
     "Content-Type: text/plain\r\n"
     "Content-Length: 1024\r\n"
     "\r\n"},
    {"response-1k", false,
     "HTTP/1.1 200 OK\r\n"
     "Date: Tue, 24 Nov 2026 00:00:00 GMT\r\n"
     "Content-Type: text/html; charset=utf-8\r\n"
     "Content-Length: 18234\r\n"
     "Connection: keep-alive\r\n"
     "Cache-Control: private, max-age=0, must-revalidate\r\n"
     "ETag: W/\"5f3-18c2d9a7e40\"\r\n"
     "Last-Modified: Sun, 22 Nov 2026 08:49:37 GMT\r\n"
     "Vary: Accept-Encoding, Cookie\r\n"
     "Set-Cookie: session=0123456789abcdef0123456789abcdef; Path=/; HttpOnly; Secure; SameSite=Lax\r\n"
     "Set-Cookie: csrf=fedcba9876543210fedcba9876543210; Path=/; Secure; SameSite=Strict\r\n"
     "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
     "Content-Security-Policy: default-src 'self'; img-src 'self' data: https://cdn.example.com; script-src 'self'\r\n"
     "X-Content-Type-Options: nosniff\r\n"
     "X-Frame-Options: DENY\r\n"
     "Referrer-Policy: strict-origin-when-cross-origin\r\n"
     "Permissions-Policy: geolocation=(), camera=(), microphone=()\r\n"
     "X-Request-ID: 5f0c1e0c3a5d4a0f8f2b7f4f6f1f9a11\r\n"
     "Server-Timing: db;dur=12.4, render;dur=7.9\r\n"
     "Link: </static/app.4f1c9d.css>; rel=preload; as=style, </static/app.88e2ab.js>; rel=preload; as=script\r\n"
     "\r\n"},
};

[[noreturn]] void die(const char* why) {
  std::fprintf(stderr, "heads: %s\n", why);
  std::exit(1);
}

struct Ours {
  h1::HeadLimits limits;
  http::RequestHead request;
  http::ResponseHead response;
  std::size_t read(const Head& head, std::string_view bytes) {
    h1::HeadScan scan;
    const auto length = h1::find_head(bytes, scan, limits, head.request);
    if (!length || *length != bytes.size()) die("the head was not found");
    const auto ok = head.request ? h1::parse_request(bytes, limits, request)
                                 : h1::parse_response(bytes, limits, http::Method::get, response);
    if (!ok) die("the head was refused");
    return head.request ? request.fields.size() : response.fields.size();
  }
};

struct Checked {
  h1::HeadLimits limits;
  http::RequestHead request;
  http::ResponseHead response;
  template <class Reader>
  static void read(Reader&& reader, std::string_view bytes) {
    boost::beast::error_code code;
    if (reader.put({bytes.data(), bytes.size()}, code) != bytes.size() || code) die("the head was refused");
  }
  std::size_t read(const Head& head, std::string_view bytes) {
    if (head.request) {
      read(h1::beast::RequestReader(bytes, limits, request), bytes);
      return request.fields.size();
    }
    read(h1::beast::ResponseReader(bytes, limits, http::Method::get, response), bytes);
    return response.fields.size();
  }
};

struct Bare {
  template <bool isRequest>
  static std::size_t read(std::string_view bytes) {
    h1::beast::Counter<isRequest> counter;
    counter.body_limit(boost::none);
    boost::beast::error_code code;
    if (counter.put({bytes.data(), bytes.size()}, code) != bytes.size() || code) die("the head was refused");
    return counter.fields;
  }
  std::size_t read(const Head& head, std::string_view bytes) {
    return head.request ? read<true>(bytes) : read<false>(bytes);
  }
};

template <class Reader>
void run(const Head& head, long times) {
  const std::string bytes(head.bytes);
  const auto reader = std::make_unique<Reader>();
  const std::size_t fields = reader->read(head, bytes);
  const auto begun = std::chrono::steady_clock::now();
  for (long i = 0; i < times; ++i)
    if (reader->read(head, bytes) != fields) die("another number of fields");
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begun;
  std::printf("%zu bytes, %zu fields: %.1f ns\n", bytes.size(), fields, took.count() / static_cast<double>(times));
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) die("usage: heads ours|checked|bare request|browser|response|response-1k TIMES");
  const std::string_view who = words[1], what = words[2];
  const long times = std::atol(words[3]);
  for (const Head& head : kHeads) {
    if (head.name != what) continue;
    if (who == "ours") return run<Ours>(head, times), 0;
    if (who == "checked") return run<Checked>(head, times), 0;
    if (who == "bare") return run<Bare>(head, times), 0;
    die("no such reader");
  }
  die("no such head");
}
