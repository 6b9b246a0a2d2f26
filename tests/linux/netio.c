/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netio serve PORT: gives datagrams back to who has sent them, and takes what comes by TCP at the port behind it.
 * netio udp|tcp ADDRESS PORT BYTES COUNT: COUNT datagrams there and back, one after the other, or COUNT times BYTES to
 * the other end, until that has all of it. The line of a row of `make bench` has the nanoseconds of each.
 * netio plain INTERFACE: no segments by the card (TSO, GSO).
 */
#include <stdbool.h>

#include "tests/linux/linux.h"

#define SYS_fork       2
#define SYS_ioctl      54
#define SYS_socket     281
#define SYS_bind       282
#define SYS_connect    283
#define SYS_listen     284
#define SYS_accept     285
#define SYS_shutdown   293
#define SYS_setsockopt 294
#define SYS_sendmsg    296
#define SYS_recvmsg    297

#define AF_INET      2
#define STREAM       1
#define DATAGRAM     2
#define SOL_SOCKET   1
#define SO_RCVTIMEO  20
#define SHUT_WR      1
#define SIOCETHTOOL  0x8946
#define ETHTOOL_STSO 0x1f
#define ETHTOOL_SGSO 0x24

#define NS        UINT64_C(1000000000)
#define BYTES_MAX (1U << 20)
#define RETRIES   100U /* of a second each */

struct address {
	uint16_t family, port;
	uint32_t ip;
	uint8_t zero[8];
};

struct message {
	void *name;
	uint32_t name_len;
	const void *iov;
	uint32_t iov_len;
	void *control;
	uint32_t control_len, flags;
};

static uint8_t bytes[BYTES_MAX];

static uint64_t now(void)
{
	long at[2];

	syscall3(SYS_clock_gettime, 1, at, 0);
	return (uint64_t)at[0] * NS + (uint64_t)at[1];
}

static struct address address_of(const char *text, uint32_t port)
{
	struct address to = {.family = AF_INET, .port = __builtin_bswap16((uint16_t)port)};
	uint8_t *ip = (uint8_t *)&to.ip;

	for (uint32_t i = 0; text && i < 4; i++) {
		ip[i] = (uint8_t)number_of(text);
		while (*text && *text++ != '.')
			;
	}
	return to;
}

static long bound(long type, uint32_t port)
{
	struct address here = address_of(0, port);
	long s = syscall3(SYS_socket, AF_INET, type, 0);

	return syscall3(SYS_bind, s, &here, sizeof(here)) < 0 ? -1 : s;
}

/* Datagrams go back to where they came from. */
static void echo(long s)
{
	struct address from;

	for (;;) {
		struct {
			void *at;
			uint32_t len;
		} iov = {bytes, sizeof(bytes)};
		struct message message = {.name = &from, .name_len = sizeof(from), .iov = &iov, .iov_len = 1};
		long n = syscall3(SYS_recvmsg, s, &message, 0);

		if (n < 0)
			continue;
		iov.len = (uint32_t)n;
		syscall3(SYS_sendmsg, s, &message, 0);
	}
}

static void sink(long s)
{
	syscall3(SYS_listen, s, 4, 0);
	for (;;) {
		long from = syscall3(SYS_accept, s, 0, 0);

		while (syscall3(SYS_read, from, bytes, sizeof(bytes)) > 0)
			;
		syscall3(SYS_close, from, 0, 0);
	}
}

static bool serve(uint32_t port)
{
	long datagrams = bound(DATAGRAM, port), stream = bound(STREAM, port + 1);

	if (datagrams < 0 || stream < 0)
		return false;
	if (syscall3(SYS_fork, 0, 0, 0) == 0)
		echo(datagrams);
	sink(stream);
	return true;
}

/* One that is lost is sent again after a second: who looks at the time sees it. */
static bool there_and_back(long s, uint32_t size)
{
	for (uint32_t i = 0; i < RETRIES; i++) {
		syscall3(SYS_write, s, bytes, size);
		if (syscall3(SYS_read, s, bytes, sizeof(bytes)) == (long)size)
			return true;
	}
	return false;
}

static bool all_there(long s, uint32_t size)
{
	for (uint32_t at = 0; at < size;) {
		long n = syscall3(SYS_write, s, bytes + at, size - at);

		if (n <= 0)
			return false;
		at += (uint32_t)n;
	}
	return true;
}

static void say_number(const char *before, uint64_t value)
{
	char text[24], *at = text + sizeof(text);

	say(before);
	*--at = '\0';
	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	say(at);
}

static bool measure(bool udp, const struct address *to, uint32_t size, uint32_t count)
{
	const long second[2] = {1, 0};
	long s = syscall3(SYS_socket, AF_INET, udp ? DATAGRAM : STREAM, 0);
	bool good = syscall3(SYS_connect, s, to, sizeof(*to)) == 0;
	uint64_t start;

	if (udp)
		syscall5(SYS_setsockopt, s, SOL_SOCKET, SO_RCVTIMEO, (long)second, sizeof(second));
	good = good && (!udp || there_and_back(s, size));
	start = now();
	for (uint32_t i = 0; i < count && good; i++)
		good = udp ? there_and_back(s, size) : all_there(s, size);
	if (!udp && good) {
		syscall3(SYS_shutdown, s, SHUT_WR, 0);
		good = syscall3(SYS_read, s, bytes, 1) == 0;
	}
	say(udp ? "row udp" : "row tcp");
	say_number(" rounds ", count);
	say_number(" own 0 ns ", (now() - start) / count);
	say("\n");
	return good;
}

static bool plain(const char *interface)
{
	const uint32_t commands[] = {ETHTOOL_STSO, ETHTOOL_SGSO};
	long s = syscall3(SYS_socket, AF_INET, DATAGRAM, 0);
	bool good = true;

	for (uint32_t i = 0; i < 2; i++) {
		uint32_t value[2] = {commands[i], 0};
		struct {
			char name[16];
			void *data;
			uint32_t more[4];
		} request = {.data = value};

		for (uint32_t n = 0; interface[n] && n < 15; n++)
			request.name[n] = interface[n];
		good = good && syscall3(SYS_ioctl, s, SIOCETHTOOL, &request) == 0;
	}
	return good;
}

int main(int argc, char **argv);

int main(int argc, char **argv)
{
	bool good = false;

	if (argc == 3 && argv[1][0] == 's') {
		good = serve(number_of(argv[2]));
	} else if (argc == 3 && argv[1][0] == 'p') {
		good = plain(argv[2]);
	} else if (argc == 6) {
		bool udp = argv[1][0] == 'u';
		struct address to = address_of(argv[2], number_of(argv[3]) + !udp);
		uint32_t size = number_of(argv[4]), count = number_of(argv[5]);

		good = count > 0 && size <= BYTES_MAX && measure(udp, &to, size, count);
	}
	if (!good)
		say("netio: FAILED\n");
	return good ? 0 : 1;
}
