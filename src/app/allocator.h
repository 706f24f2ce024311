#pragma once

namespace sluice::app {

// Sets the process's allocator up: memory that was freed goes back to the kernel at once instead of some time later,
// which a worker that has become idle would never reach. First thing in main.
void prepare_allocator();

}  // namespace sluice::app
