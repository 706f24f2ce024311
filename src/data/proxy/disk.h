#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "data/exchange/exchange.h"
#include "data/runtime/spool.h"
#include "net/io/task.h"

// Bodies on the disk, as an exchange sees them: the disk is waited for on threads of its own, and the worker goes on.
namespace sluice::data {

inline constexpr std::size_t kDiskPiece = 256 * 1024;  // bytes that go to the disk, or come from there, at once

// Writes `bytes` behind what the body has. They are gone then, their room is kept; not where the disk has refused them.
// Errors: 413 for what is more than a namespace may have at all, 503 where there is no room now or the disk does not
// take it, or not in time, with the particulars in Exchange::note.
net::Task<Status> put_on_disk(Exchange& ex, const std::shared_ptr<DiskBody>& body, std::string& bytes);
// The next piece from `at` on, before `end`, into `bytes`; not empty where the two differ. 503 where it cannot be read.
net::Task<Status> take_from_disk(Exchange& ex, const std::shared_ptr<DiskBody>& body, std::uint64_t at,
                                 std::uint64_t end, std::string& bytes);
// A body for the exchange's namespace; or 503, as above.
Result<std::shared_ptr<DiskBody>> begin_on_disk(Exchange& ex);

}  // namespace sluice::data
