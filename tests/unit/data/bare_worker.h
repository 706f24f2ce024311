#pragma once
#include "bare_context.h"
#include "data/server/worker.h"

// A worker without listeners that has nothing to serve yet, whose clock the test moves.
namespace sluice::data {

using BareWorker = Bare<Worker>;

}  // namespace sluice::data
