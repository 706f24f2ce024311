#include "data/proxy/media_type.h"

#include "base/strings.h"

namespace sluice::data {

namespace {

struct MediaType {
  std::string_view extension, type;
};

// Of what people answer by `return`, texts first.
constexpr MediaType kTypes[] = {
    {"txt", "text/plain"},
    {"json", "application/json"},
    {"html", "text/html"},
    {"htm", "text/html"},
    {"shtml", "text/html"},
    {"xml", "text/xml"},
    {"css", "text/css"},
    {"js", "application/javascript"},
    {"mml", "text/mathml"},
    {"jad", "text/vnd.sun.j2me.app-descriptor"},
    {"wml", "text/vnd.wap.wml"},
    {"htc", "text/x-component"},
    {"atom", "application/atom+xml"},
    {"rss", "application/rss+xml"},
    {"xhtml", "application/xhtml+xml"},
    {"svg", "image/svg+xml"},
    {"svgz", "image/svg+xml"},
    {"ico", "image/x-icon"},
    {"gif", "image/gif"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"png", "image/png"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"bmp", "image/x-ms-bmp"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"eot", "application/vnd.ms-fontobject"},
    {"wasm", "application/wasm"},
    {"pdf", "application/pdf"},
    {"rtf", "application/rtf"},
    {"ps", "application/postscript"},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"doc", "application/msword"},
    {"xls", "application/vnd.ms-excel"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"pl", "application/x-perl"},
    {"pm", "application/x-perl"},
    {"pem", "application/x-x509-ca-cert"},
    {"crt", "application/x-x509-ca-cert"},
    {"der", "application/x-x509-ca-cert"},
    {"jar", "application/java-archive"},
    {"war", "application/java-archive"},
    {"zip", "application/zip"},
    {"7z", "application/x-7z-compressed"},
    {"rar", "application/x-rar-compressed"},
    {"rpm", "application/x-redhat-package-manager"},
    {"swf", "application/x-shockwave-flash"},
    {"xpi", "application/x-xpinstall"},
    {"bin", "application/octet-stream"},
    {"exe", "application/octet-stream"},
    {"dll", "application/octet-stream"},
    {"deb", "application/octet-stream"},
    {"dmg", "application/octet-stream"},
    {"iso", "application/octet-stream"},
    {"img", "application/octet-stream"},
    {"msi", "application/octet-stream"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"m4a", "audio/x-m4a"},
    {"mid", "audio/midi"},
    {"mp4", "video/mp4"},
    {"mpeg", "video/mpeg"},
    {"mpg", "video/mpeg"},
    {"mov", "video/quicktime"},
    {"webm", "video/webm"},
    {"flv", "video/x-flv"},
    {"ts", "video/mp2t"},
    {"avi", "video/x-msvideo"},
    {"wmv", "video/x-ms-wmv"},
};

}  // namespace

std::string_view media_type_of(std::string_view path) noexcept {
  const auto name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos) return {};
  const auto extension = name.substr(dot + 1);
  for (const MediaType& row : kTypes)
    if (iequals(row.extension, extension)) return row.type;
  return {};
}

}  // namespace sluice::data
