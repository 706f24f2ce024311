// jemalloc serves the whole process, OpenSSL included; this is what it reads at its start (docs/adr/0005-allocator.md).
// MALLOC_CONF in the environment is stronger. Sanitizers bring an allocator of their own.
#ifdef SLUICE_JEMALLOC
extern "C" {
extern const char* malloc_conf;
// Threads of its own give back what has been free for half a second: a worker that became idle never would.
__attribute__((used, visibility("default"))) const char* malloc_conf =
    "background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0";
}
#endif
