#include "app/allocator.h"

// Linked with mimalloc, which then serves the whole process, OpenSSL included (docs/adr/0005-allocator.md). Sanitizers
// bring an allocator of their own.
#ifdef SLUICE_MIMALLOC
#include <mimalloc.h>
#endif

namespace sluice::app {

void prepare_allocator() {
#ifdef SLUICE_MIMALLOC
  mi_option_set_default(mi_option_decommit_delay, 0);
#endif
}

}  // namespace sluice::app
