#include "net/http/reason.h"

#include <gtest/gtest.h>

namespace sluice::net::http {
namespace {

// nginx's table of what it writes by itself.
TEST(ReasonPhrase, IsThatOfNginxWhereItHasOne) {
  constexpr std::pair<int, const char*> kTable[] = {{200, "OK"},
                                                    {201, "Created"},
                                                    {202, "Accepted"},
                                                    {204, "No Content"},
                                                    {206, "Partial Content"},
                                                    {402, "Payment Required"},
                                                    {406, "Not Acceptable"},
                                                    {409, "Conflict"},
                                                    {410, "Gone"},
                                                    {411, "Length Required"},
                                                    {412, "Precondition Failed"},
                                                    {413, "Request Entity Too Large"},
                                                    {415, "Unsupported Media Type"},
                                                    {416, "Requested Range Not Satisfiable"},
                                                    {501, "Not Implemented"},
                                                    {507, "Insufficient Storage"}};
  for (const auto& [status, text] : kTable) EXPECT_EQ(reason_phrase(status), text) << status;
  for (const int status : {203, 205, 300, 305, 407, 418, 422, 423, 424, 425, 428, 506, 599, 600})
    EXPECT_EQ(reason_phrase(status), "") << status;
}

}  // namespace
}  // namespace sluice::net::http
