#include "data/proxy/grpc_health.h"

#include <optional>
#include <string>

#include "support.h"

// What a pod answers to Health/Check: the input is the answer as it arrives, and a message without its frame. A status
// is that of a whole frame alone; fields that nobody knows change nothing, and of two statuses the last one counts.
namespace {

using namespace sluice;  // NOLINT(google-build-using-namespace)

using Status = std::optional<std::uint64_t>;

std::string framed(const std::string& message) {
  std::string out(1, '\0');
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(message.size() >> shift & 0xff);
  return out + message;
}
Status said(const std::string& message) {
  return data::grpc_health_answer(framed(message));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string in(fuzz::text_of(bytes, size));
  if (const Status status = data::grpc_health_answer(in)) {
    PROPERTY(in.size() >= 5 && in == framed(in.substr(5)));
    PROPERTY(said(in.substr(5)) == status);
  }
  const Status status = said(in);
  const std::string whole = framed(in);
  PROPERTY(!data::grpc_health_answer(whole + '\0'));
  for (std::size_t n = 0; n < whole.size(); ++n) PROPERTY(!data::grpc_health_answer(whole.substr(0, n)));
  std::string compressed = whole;
  compressed[0] = '\1';
  PROPERTY(!data::grpc_health_answer(compressed));

  // A text, a number, four bytes and eight, of numbers of fields above 1.
  for (const std::string& field : {std::string("\x12\x03"
                                               "a\x08\x07"),
                                   std::string("\x10\xff\x01"), std::string("\x1d\x08\x07\x08\x07"),
                                   std::string("\x21\x08\x07\x08\x07\x08\x07\x08\x07")})
    PROPERTY(said(field + in) == status);
  if (status) PROPERTY(said(in + "\x08\x07") == Status(7));
  const Status behind = said("\x08\x07" + in);
  PROPERTY(behind.has_value() == status.has_value());
  if (status && *status != 0) PROPERTY(behind == status);
  // A question has no status.
  PROPERTY(data::grpc_health_answer(data::grpc_health_question(in.substr(0, 255))) == Status(0));
  return 0;
}
