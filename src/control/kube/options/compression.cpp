// Compression of responses.
#include <array>

#include "base/regex.h"
#include "base/strings.h"
#include "control/kube/media_type.h"
#include "control/kube/options/families.h"
#include "control/kube/options/values.h"

namespace sluice::control::options_of {

namespace {

template <auto M>
std::string read_types(std::string_view v, Options& o) {
  (o.*M).clear();
  std::string bad;
  for_each_word(v, [&](std::string_view e) {
    if (e == "*" || is_media_type(e))
      (o.*M).push_back(lower(e));
    else if (bad.empty())
      bad = shorten(e);
  });
  return bad.empty() ? "" : "media types such as application/json, or *, which \"" + bad + "\" is not";
}

// In one line, as nginx takes them.
template <auto M>
std::string print_types(const Options& o) {
  std::string out;
  for (auto& e : o.*M) out += (out.empty() ? "" : " ") + e;
  return out;
}

template <auto M>
constexpr OptionValue types{"list", read_types<M>, print_types<M>, true};

std::string read_disable(std::string_view v, Options& o) {
  if (!v.empty() && v != model::kMsie6)
    if (const auto made = Regex::make(v); !made) return "a regular expression, or msie6: " + made.error();
  o.gzip_disable = v;
  return {};
}

constexpr std::array kCompressionRows{
    Option{"use-gzip", boolean<&Options::use_gzip>, "compress responses with gzip ([compression](compression.md))"},
    Option{"gzip-level", number<&Options::gzip_level, 1, 9>, "how hard it tries"},
    Option{"gzip-min-length", number<&Options::gzip_min_length, 0, 1 << 30>,
           "responses whose Content-Length is below are left alone"},
    Option{"gzip-types", types<&Options::gzip_types>,
           "media types beside text/html; `*` is all of them, and those responses that name none"},
    Option{"gzip-disable",
           {"regular expression", read_disable, print_text<&Options::gzip_disable>},
           "clients whose User-Agent it matches, in any case of letters, get no gzip; `msie6` is nginx's name for old "
           "versions of the Internet Explorer"},
    Option{"enable-brotli", boolean<&Options::enable_brotli>, "compress with brotli, for clients that take it"},
    Option{"brotli-level", number<&Options::brotli_level, 0, 11>, "how hard it tries"},
    Option{"brotli-min-length", number<&Options::brotli_min_length, 0, 1 << 30>, "as gzip-min-length"},
    Option{"brotli-types", types<&Options::brotli_types>, "as gzip-types"},
    Option{"enable-zstd", boolean<&Options::enable_zstd>,
           "sluice: compress with Zstandard, for clients that take it and not brotli"},
    Option{"zstd-level", number<&Options::zstd_level, 1, 9>, "sluice: how hard it tries"},
    Option{"zstd-min-length", number<&Options::zstd_min_length, 0, 1 << 30>, "sluice: as gzip-min-length"},
    Option{"zstd-types", types<&Options::zstd_types>, "sluice: as gzip-types"},
    Option{"compression-memory", size<&Options::compression_memory, 0, (1ULL << 40)>,
           "sluice: memory of the process for responses that are being compressed; further ones go out as they are; 0 "
           "is no limit"},
};

}  // namespace

std::span<const Option> compression() {
  return kCompressionRows;
}

}  // namespace sluice::control::options_of
