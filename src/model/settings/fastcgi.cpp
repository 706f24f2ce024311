#include "model/settings/fastcgi.h"

namespace sluice::model {

const Fastcgi& default_fastcgi() {
  static const Fastcgi made = [] {
    Fastcgi out;
    out.params = std::vector<FastcgiParam>{{"QUERY_STRING", "$query_string"},
                                           {"REQUEST_METHOD", "$request_method"},
                                           {"CONTENT_TYPE", "$content_type"},
                                           {"CONTENT_LENGTH", "$content_length"},
                                           {"SCRIPT_NAME", "$fastcgi_script_name"},
                                           {"REQUEST_URI", "$request_uri"},
                                           {"DOCUMENT_URI", "$document_uri"},
                                           {"DOCUMENT_ROOT", "$document_root"},
                                           {"SERVER_PROTOCOL", "$server_protocol"},
                                           {"REQUEST_SCHEME", "$scheme"},
                                           {"HTTPS", "$https", true},
                                           {"GATEWAY_INTERFACE", "CGI/1.1"},
                                           {"SERVER_SOFTWARE", "nginx/$nginx_version"},
                                           {"REMOTE_ADDR", "$remote_addr"},
                                           {"REMOTE_PORT", "$remote_port"},
                                           {"SERVER_ADDR", "$server_addr"},
                                           {"SERVER_PORT", "$server_port"},
                                           {"SERVER_NAME", "$server_name"},
                                           {"REDIRECT_STATUS", "200"}};
    return out;
  }();
  return made;
}

}  // namespace sluice::model
