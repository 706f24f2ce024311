"""What modules of this folder share."""
import lab


def conf(proxy, file):
    return (lab.HERE / "conf" / proxy / file).read_text()


def hosts(n):
    return [f"h{i}.example.com" for i in range(n)]


def chrooted(root, command):
    if not root:
        return command
    lab.bind_into(root)
    return ["chroot", root, *command]


def tool(root, binary):
    """As it is called for its version, out of a tree of its own too."""
    return ["chroot", root, binary] if root else [binary]
