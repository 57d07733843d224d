# SPDX-License-Identifier: BSD-2-Clause
"""Socket calls as scripts write them, made by way of C functions: those of the stack's library (which take the net
before the other arguments) or the C library's own."""
import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import termios

NAMES = {name: value for module in (socket, select, fcntl) for name, value in vars(module).items()
         if name.isupper() or name.startswith(("SO_", "TCP_", "MSG_", "POLL", "EPOLL", "F_"))}
NAMES.update(O_NONBLOCK=0o4000, O_RDWR=2, SIOCINQ=termios.FIONREAD, FIONREAD=termios.FIONREAD, SIOCOUTQ=termios.TIOCOUTQ,
             SIOCOUTQNSD=0x894b, SOL_TCP=6, MSG_MORE=0x8000, MSG_NOSIGNAL=0x4000, POLLRDHUP=0x2000, TCP_NOTSENT_LOWAT=25,
             TCP_INQ=36, SOL_IP=0, IP_TOS=1, IP_RECVERR=11, IP_MTU=14, IP_MTU_DISCOVER=10,
             TCP_USER_TIMEOUT=18, TCP_FASTOPEN=23, TCP_ESTABLISHED=1, TCP_SYN_SENT=2, TCP_SYN_RECV=3, TCP_FIN_WAIT1=4,
             TCP_FIN_WAIT2=5, TCP_TIME_WAIT=6, TCP_CLOSE=7, TCP_CLOSE_WAIT=8, TCP_LAST_ACK=9, TCP_LISTEN=10, TCP_CLOSING=11,
             ECONNRESET=errno.ECONNRESET, SHUT_RD=0, SHUT_WR=1, SHUT_RDWR=2, INADDR_ANY="0.0.0.0")
NAMES.update(EPOLL_CTL_ADD=1, EPOLL_CTL_DEL=2, EPOLL_CTL_MOD=3, EPOLLRDHUP=0x2000, EPOLLET=1 << 31, TCP_TIMESTAMP=24, MSG_FASTOPEN=0x20000000, TCP_FASTOPEN_CONNECT=30,
             TCP_FASTOPEN_KEY=33, TCP_FASTOPEN_NO_COOKIE=34, TCPI_OPT_SYN_DATA=32, TCPI_OPT_TIMESTAMPS=1, TCPI_OPT_SACK=2)
NAMES.update(SO_TIMESTAMPING=37, SO_TIMESTAMPNS=35, SO_TIMESTAMP=29, SCM_TSTAMP_SND=0, SCM_TSTAMP_SCHED=1, SCM_TSTAMP_ACK=2, TX_SCHED=256,
             TX_SOFTWARE=2, TX_ACK=512, SOFTWARE=16, RX_SOFTWARE=8, OPT_ID=128, OPT_TSONLY=2048, TIMES=4, ZEROCOPY=5, SO_ZEROCOPY=60,
             MSG_ZEROCOPY=0x4000000)
NAMES.update(IP_LOCAL_PORT_RANGE=51, SO_MAX_PACING_RATE=47, NULL=None, SPLICE_F_NONBLOCK=2, SPLICE_F_MORE=4, MSG_EOR=0x80)
NAMES = {name: int(value) if isinstance(value, int) else value for name, value in NAMES.items()}

INFO = ("state:B ca_state:B retransmits:B probes:B backoff:B options:B wscale:B limited:B rto ato snd_mss rcv_mss unacked sacked"
        " lost retrans fackets last_data_sent last_ack_sent last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar"
        " snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans pacing_rate:Q max_pacing_rate:Q bytes_acked:Q"
        " bytes_received:Q segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out delivery_rate:Q busy_time:Q"
        " rwnd_limited:Q sndbuf_limited:Q delivered delivered_ce bytes_sent:Q bytes_retrans:Q dsack_dups reord_seen"
        " rcv_ooopack snd_wnd")


def read_info(data):
    fields = [f.partition(":") for f in INFO.split()]
    values = struct.unpack_from("=" + "".join(kind or "I" for _, _, kind in fields), data.ljust(256, b"\0"))
    info = {f"tcpi_{name}": value for (name, _, _), value in zip(fields, values)}
    info["tcpi_snd_wscale"], info["tcpi_rcv_wscale"] = info["tcpi_wscale"] & 15, info["tcpi_wscale"] >> 4
    return info


def sockaddr(address, port, six=False):
    """As POSIX has it; where sockets are of IPv6, IPv4's addresses are mapped."""
    if not six:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(address) + bytes(8)
    text = address if ":" in address else "::" if address == "0.0.0.0" else "::ffff:" + address
    return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0) + socket.inet_pton(socket.AF_INET6, text) + bytes(4)


class Calls:
    """`function(name)` gives a C function without the net; `here` and `there` are what `...` stands for."""

    def __init__(self, function, here, there, six=False):
        self.function, self.here, self.there, self.six = function, here, there, six
        self.fds, self.epoch = {}, 0  # epoch: the time that times of packets count from

    def live(self, fd):
        return self.fds.get(fd, fd)

    def raw(self, name, *arguments):
        """(result, errno's name)"""
        ctypes.set_errno(0)
        result = self.function(name)(*arguments)
        return result, errno.errorcode.get(ctypes.get_errno(), "?").replace("ENOTSUP", "EOPNOTSUPP") if result < 0 else ""

    def run(self, name, arguments):
        """→ (result, errno's name, what came out: a value, or None)"""
        special = getattr(self, "do_" + name, None)
        if special:
            return special(*arguments)
        return (*self.raw(name, self.live(arguments[0]), *arguments[1:]), None)

    def do_socket(self, domain, kind, protocol):
        return (*self.raw("socket", socket.AF_INET6 if self.six else socket.AF_INET, socket.SOCK_STREAM if kind is ... else kind,
                          6 if protocol is ... else protocol), None)

    def with_address(self, name, fd, where, data=b""):
        at = sockaddr(*where, self.six)
        return (*self.raw(name, self.live(fd), at, len(at)), None)

    def do_bind(self, fd, address, size):
        return self.with_address("bind", fd, self.here if address is ... else address)

    def do_connect(self, fd, address, size):
        return self.with_address("connect", fd, self.there if address is ... else address)

    def do_disconnect(self, fd):
        return (*self.raw("connect", self.live(fd), bytes(16), 16), None)

    def do_accept(self, fd, address=..., size=...):
        return (*self.raw("accept", self.live(fd), None, None), None)

    def read_from(self, name, fd, data, size, *flags):
        room = data and ctypes.create_string_buffer(max(size, 1))
        return (*self.raw(name, self.live(fd), room, ctypes.c_size_t(size), *flags), None)

    def do_read(self, fd, data, size):
        return self.read_from("read", fd, data, size)

    def do_recv(self, fd, data, size, flags):
        return self.read_from("recv", fd, data, size, flags)

    def do_write(self, fd, data, size):
        return (*self.raw("write", self.live(fd), data and bytes(size), ctypes.c_size_t(size)), None)

    def do_send(self, fd, data, size, flags):
        return (*self.raw("send", self.live(fd), data and bytes(size), ctypes.c_size_t(size), flags | NAMES["MSG_NOSIGNAL"]), None)

    def do_sendto(self, fd, data, size, flags, address=..., length=...):
        at = sockaddr(*(self.there if address is ... else address), self.six)
        return (*self.raw("sendto", self.live(fd), bytes(size), ctypes.c_size_t(size), flags | NAMES["MSG_NOSIGNAL"], at, len(at)),
                None)

    def do_setsockopt(self, fd, level, name, value, size):
        if isinstance(value, dict):
            data = struct.pack(f"{len(value)}i", *value.values())
        else:
            data = value.encode() if isinstance(value, str) else struct.pack("i", value[0])
        return (*self.raw("setsockopt", self.live(fd), level, name, data, len(data)), None)

    def do_getsockopt(self, fd, level, name, value=None, size=None):
        room, n = ctypes.create_string_buffer(256), ctypes.c_uint(256)
        result = self.raw("getsockopt", self.live(fd), level, name, room, ctypes.byref(n))
        out = struct.unpack("i", room.raw[:4])[0]
        if level == 6 and name == NAMES["TCP_INFO"]:
            out = read_info(room.raw[:n.value])
        elif level == 6 and name == NAMES["TCP_CONGESTION"]:
            out = room.raw[:n.value].split(b"\0")[0].decode()
        return (*result, out)

    def do_fcntl(self, fd, command, value=0):
        return (*self.raw("fcntl", self.live(fd), command, ctypes.c_long(value)), None)

    def do_ioctl(self, fd, request, value=None):
        out = ctypes.c_int(0)
        result = self.raw("ioctl", self.live(fd), ctypes.c_ulong(request), ctypes.byref(out))
        return (*result, out.value)

    def do_poll(self, fds, n, timeout):
        data = b"".join(struct.pack("=ihh", self.live(f["fd"]), f["events"], 0) for f in fds)
        room = ctypes.create_string_buffer(data, len(data))
        result = self.raw("poll", room, ctypes.c_ulong(len(fds)), timeout)
        return (*result, [struct.unpack_from("=ihh", room.raw, 8 * i)[2] for i in range(len(fds))])

    def receive_message(self, fd, size, flags):
        """→ (result, errno's name, flags of the message, control messages: (level, type) → data)"""
        data, control = ctypes.create_string_buffer(max(size, 1)), ctypes.create_string_buffer(512)
        piece = struct.pack("PN", ctypes.addressof(data), size)
        pieces = ctypes.create_string_buffer(piece, len(piece))
        message = struct.pack("PIPNPNi", 0, 0, ctypes.addressof(pieces), 1, ctypes.addressof(control), 512, 0)
        message = ctypes.create_string_buffer(message, len(message))
        result = self.raw("recvmsg", self.live(fd), message, flags)
        *_, used, seen = struct.unpack("PIPNPNi", message.raw)
        beside, at = {}, 0
        while result[0] >= 0 and at + 16 <= used:
            length, level, kind = struct.unpack_from("Nii", control.raw, at)
            beside[level, kind] = control.raw[at + 16:at + length]
            at += length + 7 & ~7
        return (*result, seen, beside)

    def time_of(self, beside):
        for kind, unit in ((NAMES["SO_TIMESTAMPING"], 1e-9), (NAMES["SO_TIMESTAMPNS"], 1e-9), (NAMES["SO_TIMESTAMP"], 1e-6)):
            if (1, kind) in beside:
                seconds, part = struct.unpack_from("qq", beside[1, kind])
                return seconds + part * unit - self.epoch, kind
        return None, 0

    def do_recverr(self, fd, wanted):
        """What the error queue says first."""
        result, code, flags, beside = self.receive_message(fd, 0, NAMES["MSG_ERRQUEUE"])
        if result < 0:
            return result, code, {}
        error = next(data for (level, _), data in beside.items() if level != 1)
        out = dict(zip(("errno", "origin", "type", "code", "pad", "info", "data"), struct.unpack_from("IBBBBII", error)))
        out["time"], _ = self.time_of(beside)
        out["trunc"] = int(flags & NAMES["MSG_TRUNC"] != 0)
        return result, code, out

    def do_recvtime(self, fd, size, wanted):
        """Reads, and when the last of it came."""
        result, code, _, beside = self.receive_message(fd, size, 0)
        time, kind = self.time_of(beside)
        return result, code, {"time": time, "kind": kind}

    def do_pipe(self, fds):
        made = (ctypes.c_int * 2)()
        result = self.raw("pipe", made)
        self.fds.update(zip(fds, made))
        return (*result, None)

    def do_splice(self, source, source_at, target, target_at, size, flags):
        return (*self.raw("splice", self.live(source), source_at, self.live(target), target_at, ctypes.c_size_t(size), flags), None)

    def do_file(self, fd, size):
        """A file of that many bytes, beside the sockets."""
        self.fds[fd] = os.memfd_create("file")
        os.truncate(self.fds[fd], size)
        return 0, "", None

    def do_sendfile(self, target, source, at, size):
        place = ctypes.c_long(at[0]) if at else None
        result = self.raw("sendfile", self.live(target), self.live(source), at and ctypes.byref(place), ctypes.c_size_t(size))
        return (*result, place.value if at else os.lseek(self.live(source), 0, os.SEEK_CUR))

    def do_epoll_create(self, size):
        return (*self.raw("epoll_create", *self.epoll_size(size)), None)

    def epoll_size(self, size):
        return [size]

    def do_epoll_ctl(self, epoll, operation, fd, event):
        data = struct.pack("=IQ", event["events"] & 0xffffffff, event.get("fd", fd))
        return (*self.raw("epoll_ctl", self.live(epoll), operation, self.live(fd), data), None)

    def do_epoll_wait(self, epoll, event, n, timeout):
        room = ctypes.create_string_buffer(12 * 16)
        result, code = self.raw("epoll_wait", self.live(epoll), room, 16, timeout)
        return result, code, struct.unpack_from("=I", room.raw)[0] if result > 0 else 0
