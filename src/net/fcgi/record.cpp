#include "net/fcgi/record.h"

#include <algorithm>
#include <cstring>

namespace sluice::net::fcgi {

namespace {

constexpr std::size_t byte_at(const Header& h, std::size_t i) noexcept {
  return static_cast<unsigned char>(h[i]);
}

constexpr std::size_t kEndContent = 8;
constexpr char kResponder = 1, kKeepConnection = 1;
constexpr std::size_t kShortLength = 127;  // what one byte tells

void append_length(std::string& out, std::size_t n) {
  if (n <= kShortLength) {
    out += static_cast<char>(n);
    return;
  }
  out += static_cast<char>(0x80U | (n >> 24));
  out += static_cast<char>(n >> 16);
  out += static_cast<char>(n >> 8);
  out += static_cast<char>(n);
}

std::size_t length_bytes(std::size_t n) noexcept {
  return n <= kShortLength ? 1 : 4;
}

}  // namespace

void append_begin(std::string& out, bool keep) {
  const Header head = header(Type::begin_request, 8);
  out.append(head.data(), head.size());
  const char content[8] = {0, kResponder, keep ? kKeepConnection : char{0}, 0, 0, 0, 0, 0};
  out.append(content, sizeof content);
}

void Params::open() {
  at_ = out_.size();
  out_.append(kHeader, '\0');
}

// Content that one record does not take goes into several: only ever a single pair.
void Params::close() {
  for (;;) {
    const std::size_t size = out_.size() - at_ - kHeader, taken = std::min(size, kMostContent);
    const Header head = header(Type::params, taken);
    std::memcpy(out_.data() + at_, head.data(), head.size());
    if (taken == size) return;
    at_ += kHeader + taken;
    out_.insert(at_, kHeader, '\0');
  }
}

void Params::add(std::string_view name, std::string_view value) {
  const std::size_t size = length_bytes(name.size()) + length_bytes(value.size()) + name.size() + value.size();
  const std::size_t before = out_.size() - at_ - kHeader;
  if (before != 0 && before + size > kMostContent) {
    close();
    open();
  }
  append_length(out_, name.size());
  append_length(out_, value.size());
  out_ += name;
  out_ += value;
}

void Params::end() {
  if (out_.size() - at_ > kHeader) {
    close();
    open();
  }
  close();
}

std::unexpected<Error> Reader::fail(const char* why) noexcept {
  state_ = State::failed;
  damage_ = why;
  return std::unexpected(Error{Fault::malformed, Whose::upstream, Retry::no, 502, why});
}

const char* Reader::begin_record() noexcept {
  if (byte_at(head_, 0) != 1) return "FastCGI: a record whose version is not 1";
  if (byte_at(head_, 2) != 0 || byte_at(head_, 3) != 1) return "FastCGI: a record of another request";
  const auto type = byte_at(head_, 1);
  left_ = static_cast<std::uint16_t>(byte_at(head_, 4) << 8 | byte_at(head_, 5));
  padding_ = static_cast<std::uint8_t>(byte_at(head_, 6));
  type_ = static_cast<Type>(type);
  have_ = 0;
  state_ = State::content;
  switch (type_) {
    case Type::out:
    case Type::err: {
      bool& closed = type_ == Type::out ? out_closed_ : err_closed_;
      if (closed && left_ != 0) return "FastCGI: content behind the end of its stream";
      closed = closed || left_ == 0;
      return nullptr;
    }
    case Type::end_request:
      return left_ == kEndContent ? nullptr : "FastCGI: an end of the request that is not of eight bytes";
    default:
      return "FastCGI: a record of a type that no pod sends";
  }
}

const char* Reader::judge_end() noexcept {
  end_.app_status = static_cast<std::uint32_t>(byte_at(head_, 0) << 24 | byte_at(head_, 1) << 16 |
                                               byte_at(head_, 2) << 8 | byte_at(head_, 3));
  const auto protocol = byte_at(head_, 4);
  if (protocol > End::unknown_role) return "FastCGI: an end of the request with an unknown status";
  end_.protocol = static_cast<End::Protocol>(protocol);
  return nullptr;
}

Result<Reader::Step> Reader::step(std::string_view in) {
  Step out;
  if (state_ == State::failed) return fail(damage_);
  const auto take = [&](std::size_t most) {
    const auto piece = in.substr(out.consumed, most);
    out.consumed += piece.size();
    return piece;
  };
  const auto collect = [&](std::size_t whole) {
    const auto piece = take(whole - have_);
    piece.copy(head_.data() + have_, piece.size());
    have_ = static_cast<std::uint8_t>(have_ + piece.size());
    return have_ == whole;
  };
  for (;;) {
    switch (state_) {
      case State::header:
        if (!collect(kHeader)) return out;
        if (const char* wrong = begin_record()) return fail(wrong);
        break;
      case State::content:
        if (type_ == Type::end_request) {
          if (!collect(kEndContent)) return out;
          if (const char* wrong = judge_end()) return fail(wrong);
          have_ = 0;
          state_ = State::padding;
          break;
        }
        if (left_ == 0) {
          state_ = State::padding;
          break;
        }
        {
          const auto piece = take(left_);
          left_ = static_cast<std::uint16_t>(left_ - piece.size());
          if (piece.empty()) return out;
          (type_ == Type::out ? out.out : out.err) = piece;
          return out;
        }
      case State::padding:
        padding_ = static_cast<std::uint8_t>(padding_ - take(padding_).size());
        if (padding_ != 0) return out;
        state_ = type_ == Type::end_request ? State::ended : State::header;
        break;
      case State::ended:
        return out;
      case State::failed:
        return fail(damage_);
    }
  }
}

}  // namespace sluice::net::fcgi
