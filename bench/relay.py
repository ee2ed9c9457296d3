"""A relay between a client and a server on loopback, which counts bytes and can imitate a long or slow link.

It delays bytes, not packets: the kernel's congestion control sees only loopback, so there is no slow start and no loss.
The figures therefore show the round trips and bytes of the programs, not how fast TCP fills a real link.
"""

import queue
import socket
import sys
import threading
import time

# On slow links: bytes that the kernel holds for the relay. With more, senders would take the link for a fast one.
SMALL_BUFFER = 128 << 10
# Bytes that a slow link takes before they are due, in seconds of its rate.
BACKLOG = 0.05

# The threads mostly wait; with the default of 5 ms a busy one would hold up the others.
sys.setswitchinterval(0.0005)


class Direction:
    """What all connections share in one direction: its rate, and the number of bytes that went this way."""

    def __init__(self, rate):
        self.rate, self.bytes, self.free_at, self.lock = rate, 0, 0.0, threading.Lock()

    def take(self, count):
        """Returns when the last of `count` bytes has left the sender; waits while too many are queued."""
        with self.lock:
            now = time.monotonic()
            self.bytes += count
            self.free_at = max(self.free_at, now) + (count / self.rate if self.rate else 0.0)
            left_at = self.free_at
        if (early := left_at - now - BACKLOG) > 0:
            time.sleep(early)
        return left_at


class Relay:
    """Listens at `port` and passes everything on to `target`. `delay` is one way, `rate` bytes a second."""

    def __init__(self, case, target, delay=0.0, rate=None):
        self.target, self.delay = target, delay
        self.directions = Direction(rate), Direction(rate)
        self.listener = case.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = self.listener.getsockname()[1]
        self.limits_buffers = bool(delay or rate)
        self.open, self.changed = 0, threading.Condition()
        if self.limits_buffers:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        threading.Thread(target=self.accept, daemon=True).start()

    def bytes(self):
        """Bytes in both directions so far. Waits for the connections to end."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.open == 0, 60):
                sys.exit("a connection does not end after its client")
        return sum(direction.bytes for direction in self.directions)

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:  # closed at the end
                return
            with self.changed:
                self.open += 1
            threading.Thread(target=self.carry, args=(near,), daemon=True).start()

    def carry(self, near):
        """Carries one connection from its begin to its end."""
        begun = time.monotonic()
        # The client may send after two crossings of the handshake, the server after three.
        time.sleep(2 * self.delay)
        with near, socket.socket() as far:
            if self.limits_buffers:
                far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            pumps = []
            try:
                far.connect(("127.0.0.1", self.target))
                for direction, source, sink, crossings in zip(self.directions, (near, far), (far, near), (2, 3)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    on_the_way = queue.Queue(1 << 14)
                    earliest = begun + crossings * self.delay
                    for pump, arguments in (
                        (self.receive, (direction, source, earliest, on_the_way)),
                        (self.deliver, (source, sink, on_the_way)),
                    ):
                        pumps.append(threading.Thread(target=pump, args=arguments, daemon=True))
                        pumps[-1].start()
            except OSError:
                pass  # the server is not there; the client sees its connection end
            for pump in pumps:
                pump.join()
        with self.changed:
            self.open -= 1
            self.changed.notify_all()

    def receive(self, direction, source, earliest, on_the_way):
        data = b"-"
        while data:
            try:
                data = source.recv(64 << 10)
            except OSError:  # reset, which the other side learns as an end
                data = b""
            on_the_way.put((max(direction.take(len(data)), earliest) + self.delay, data))

    def deliver(self, source, sink, on_the_way):
        data, broken = b"-", False
        while data:
            due, data = on_the_way.get()
            if (early := due - time.monotonic()) > 0:
                time.sleep(early)
            try:
                if data and not broken:
                    sink.sendall(data)
            except OSError:
                # Nobody takes the rest. What still arrives is thrown away, so that `receive` comes to its end.
                broken = True
                shut_down(source, socket.SHUT_RDWR)
        shut_down(sink, socket.SHUT_WR)


def shut_down(connection, how):
    try:
        connection.shutdown(how)
    except OSError:
        pass  # closed already
