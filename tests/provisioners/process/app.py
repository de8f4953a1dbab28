"""The program that the tests run as services: `app.py <command> [argument…]`.  It imports little, so it starts fast."""

import os
import signal
import socket
import sys
import time


def serve(port: int) -> None:
    """Answer each connection by what its first line asks for."""
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            client, _ = server.accept()
            with client:
                words = client.makefile("r").readline().split()
                if words[:1] == ["exit"]:
                    os._exit(int(words[1]))
                if words[:1] == ["pid"]:
                    client.sendall(str(os.getpid()).encode())
                if words[:1] == ["environment"]:
                    lines = (f"{key}={value}" for key, value in os.environ.items())
                    client.sendall("\n".join(lines).encode())


def wait() -> None:
    while True:
        time.sleep(60)


def say_when_ended(path: str, word: str) -> None:
    def ended(*_: object) -> None:
        os.write(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), f"{word}\n".encode())
        sys.exit(0)

    signal.signal(signal.SIGTERM, ended)


def fork(*, new_session: bool, deaf: bool, path: str) -> None:
    """Leave a child behind, and its pid in the file at `path`."""
    pid = os.fork()
    if pid == 0:
        if new_session:
            os.setsid()
        if deaf:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        wait()
    os.write(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), str(pid).encode())


def main(command: str, *words: str) -> None:
    port = int(os.environ.get("PORT", "0"))
    match command:
        case "serve":
            serve(port)
        case "serve-on":
            serve(int(words[0]))
        case "wait":
            print("waiting", flush=True)
            wait()
        case "say":
            print(*words[1:], sep="\n", flush=True)
            sys.exit(int(words[0]))
        case "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            serve(port)
        case "last-word":
            say_when_ended(*words)
            serve(port)
        case "family":
            fork(new_session="session" in words, deaf="deaf" in words, path=words[0])
            serve(port)


if __name__ == "__main__":
    main(*sys.argv[1:])
