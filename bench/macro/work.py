"""What a scenario asks of a proxy, in words that belong to no proxy."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Work:
    kind: str = "plain"  # plain, or a file of conf/PROXY that has this name
    pod: str = "1k"      # a name of lab.PODS
    hosts: int = 0       # plain: so many hosts beside app.example.com, of three paths each
    rps: int = 1_000_000  # all-on: what one client may ask a second; no measurement reaches it, the check before does
