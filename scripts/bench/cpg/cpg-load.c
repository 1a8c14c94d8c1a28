/*
 * One member of a corosync process group that loads it and measures: the counterpart of the program in
 * group-client.ts, with the same messages and the same line of JSON at the end.
 *
 *   cpg-load GROUP MEMBERS SENDER BYTES PER_SECOND SECONDS
 *
 * It joins GROUP, waits until the group has MEMBERS members, and then sends for SECONDS when its node is SENDER, or when
 * SENDER is 0, which is everybody: PER_SECOND messages a second of BYTES each, or with 0 as many as it may. Whoever
 * sends says at its end that it was its last message; when all have said so, everybody prints what was delivered.
 *
 * Only what the manual pages of libcpg promise is used: CPG_TYPE_AGREED is its strongest guarantee.
 */
#include <corosync/cpg.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { head_bytes = 16, bytes_max = 65536, nodes_max = 64, seconds_max = 3600, latencies_max = 1000000 };
/* For the start of the nodes, for what is under way at the end, and between two tries of what is not ready. */
enum { join_seconds = 30, drain_seconds = 30, retry_ms = 20 };

/* The head of a message; everybody runs on one machine, so bytes are in its order. */
struct head {
	uint32_t is_last;
	/* Counts a sender's messages from 0. */
	uint32_t number;
	/* When it was sent, on the clock of the machine. */
	uint64_t sent_ns;
};

struct load {
	cpg_handle_t handle;
	unsigned int node;
	uint32_t members, sender, bytes, per_second, seconds;
	bool is_complete;
	/* What is to come next of each node. */
	uint32_t next[nodes_max + 1];
	uint32_t last_count;
	uint64_t delivered;
	uint64_t first_ns, end_ns;
	/* FNV-1a over (sender, number) of what was delivered, in the order of delivery. */
	uint32_t order;
	uint32_t *latencies;
	uint32_t latency_count;
	const char *broken;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint32_t senders(const struct load *load)
{
	return load->sender == 0 ? load->members : 1;
}

static bool is_over(const struct load *load)
{
	return load->last_count == senders(load);
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t node, uint32_t pid, void *message, size_t length)
{
	struct load *load = NULL;
	struct head head;

	(void)group;
	(void)pid;
	if (cpg_context_get(handle, (void **)&load) != CS_OK || load == NULL) abort();
	if (length != load->bytes || node == 0 || node > nodes_max) {
		load->broken = "a message that nobody of this load sends";
		return;
	}
	memcpy(&head, message, sizeof head);
	if (head.number != load->next[node]++) load->broken = "a message of a sender is missing or comes twice";
	if (load->first_ns == 0) load->first_ns = now_ns();
	load->order = (load->order ^ node) * 16777619u;
	load->order = (load->order ^ head.number) * 16777619u;
	if (head.is_last != 0) {
		load->last_count++;
		if (is_over(load)) load->end_ns = now_ns();
		return;
	}
	load->delivered++;
	if (load->per_second > 0 && node == load->node && load->latency_count < latencies_max) {
		load->latencies[load->latency_count++] = (uint32_t)((now_ns() - head.sent_ns) / 1000);
	}
}

static void on_members(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *list, size_t count,
	const struct cpg_address *left, size_t left_count, const struct cpg_address *joined, size_t joined_count)
{
	struct load *load = NULL;

	(void)group;
	(void)list;
	(void)left;
	(void)joined;
	(void)joined_count;
	if (cpg_context_get(handle, (void **)&load) != CS_OK || load == NULL) abort();
	if (count == load->members) load->is_complete = true;
	if (left_count > 0 && !is_over(load)) load->broken = "a member went before the end";
}

/* Gives CS_OK, CS_ERR_TRY_AGAIN, or another error. */
static cs_error_t send_one(struct load *load, uint32_t number, bool is_last)
{
	static uint8_t message[bytes_max];
	struct head head = { .is_last = is_last, .number = number, .sent_ns = now_ns() };
	struct iovec part = { .iov_base = message, .iov_len = load->bytes };

	memcpy(message, &head, sizeof head);
	return cpg_mcast_joined(load->handle, CPG_TYPE_AGREED, &part, 1);
}

static int fail(const char *what, cs_error_t error)
{
	fprintf(stderr, "cpg-load: %s: error %d of corosync\n", what, (int)error);
	return -EIO;
}

static bool is_for_later(cs_error_t error)
{
	return error == CS_ERR_TRY_AGAIN || error == CS_ERR_LIBRARY;
}

/* A daemon that has just been started neither listens nor lets anybody join at first. */
static int join(struct load *load, const char *name)
{
	cpg_model_v1_data_t model = { .model = CPG_MODEL_V1, .cpg_deliver_fn = on_deliver, .cpg_confchg_fn = on_members };
	struct cpg_name group = { .length = (uint32_t)strlen(name) };
	const struct timespec pause = { .tv_nsec = retry_ms * 1000000 };
	uint64_t until = now_ns() + join_seconds * 1000000000ull;
	cs_error_t error;

	for (;;) {
		error = cpg_model_initialize(&load->handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, load);
		if (!is_for_later(error) || now_ns() > until) break;
		nanosleep(&pause, NULL);
	}
	if (error != CS_OK) return fail("cpg_model_initialize", error);
	memcpy(group.value, name, group.length);
	error = cpg_local_get(load->handle, &load->node);
	if (error != CS_OK) return fail("cpg_local_get", error);
	for (;;) {
		error = cpg_join(load->handle, &group);
		if (error != CS_ERR_TRY_AGAIN || now_ns() > until) break;
		nanosleep(&pause, NULL);
	}
	return error == CS_OK ? 0 : fail("cpg_join", error);
}

/* Hands over what has come; waits for it at most so long. */
static int take(struct load *load, int fd, uint64_t wait_ns)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct timespec wait = { .tv_sec = (time_t)(wait_ns / 1000000000u), .tv_nsec = (long)(wait_ns % 1000000000u) };
	cs_error_t error;

	if (wait_ns > 0 && ppoll(&ready, 1, &wait, NULL) < 0 && errno != EINTR) return -errno;
	error = cpg_dispatch(load->handle, CS_DISPATCH_ALL);
	return error == CS_OK || error == CS_ERR_TRY_AGAIN ? 0 : fail("cpg_dispatch", error);
}

static int run(struct load *load)
{
	const uint64_t pause_ns = 1000000, idle_ns = 100000000;
	uint64_t start, end, until, now;
	uint32_t number = 0;
	bool may_send, has_ended;
	cs_error_t error;
	int fd, result;

	error = cpg_fd_get(load->handle, &fd);
	if (error != CS_OK) return fail("cpg_fd_get", error);
	until = now_ns() + join_seconds * 1000000000ull;
	while (!load->is_complete) {
		result = take(load, fd, idle_ns);
		if (result < 0) return result;
		if (now_ns() > until) return fail("the members do not come together", CS_ERR_TIMEOUT);
	}
	may_send = load->sender == 0 || load->sender == load->node;
	has_ended = !may_send;
	start = now_ns();
	end = start + load->seconds * 1000000000ull;
	until = end + drain_seconds * 1000000000ull;
	while (!is_over(load) && load->broken == NULL) {
		uint64_t wait_ns = idle_ns;

		now = now_ns();
		if (now > until) return fail("what was sent does not come", CS_ERR_TIMEOUT);
		if (!has_ended) {
			uint64_t due = load->per_second == 0 ? now : start + number * (1000000000ull / load->per_second);

			if (due >= end) due = end;
			if (now >= due || now >= end) {
				error = send_one(load, number, now >= end);
				if (error == CS_OK) {
					number++;
					has_ended = now >= end;
					wait_ns = 0;
				} else if (error == CS_ERR_TRY_AGAIN) {
					wait_ns = pause_ns;
				} else {
					return fail("cpg_mcast_joined", error);
				}
			} else {
				wait_ns = due - now;
			}
		}
		result = take(load, fd, wait_ns);
		if (result < 0) return result;
	}
	if (load->broken != NULL) {
		fprintf(stderr, "cpg-load: node %u got %s\n", load->node, load->broken);
		return -EPROTO;
	}
	return 0;
}

static void report(const struct load *load)
{
	printf("{\"card\":%u,\"delivered\":%llu,\"order\":%u,\"ms\":%.3f,\"latenciesUs\":[", load->node, (unsigned long long)load->delivered,
		load->order, (double)(load->end_ns - load->first_ns) / 1e6);
	for (uint32_t index = 0; index < load->latency_count; index++) printf("%s%u", index == 0 ? "" : ",", load->latencies[index]);
	printf("]}\n");
}

static uint32_t number_of(const char *text, uint32_t min, uint32_t max)
{
	char *end = NULL;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || value < min || value > max) {
		fprintf(stderr, "cpg-load: %s is no number from %u to %u\n", text, min, max);
		exit(2);
	}
	return (uint32_t)value;
}

int main(int count, char **words)
{
	struct load load = { .order = 2166136261u };
	int result;

	if (count != 7) {
		fprintf(stderr, "usage: cpg-load GROUP MEMBERS SENDER BYTES PER_SECOND SECONDS\n");
		return 2;
	}
	if (strlen(words[1]) > CPG_MAX_NAME_LENGTH) {
		fprintf(stderr, "cpg-load: the name of the group is longer than %d\n", CPG_MAX_NAME_LENGTH);
		return 2;
	}
	load.members = number_of(words[2], 1, nodes_max);
	load.sender = number_of(words[3], 0, nodes_max);
	load.bytes = number_of(words[4], head_bytes, bytes_max);
	load.per_second = number_of(words[5], 0, 100000);
	load.seconds = number_of(words[6], 1, seconds_max);
	load.latencies = calloc(latencies_max, sizeof *load.latencies);
	if (load.latencies == NULL) return 1;
	result = join(&load, words[1]);
	if (result == 0) {
		result = run(&load);
		if (result == 0) report(&load);
	}
	if (load.handle != 0) cpg_finalize(load.handle);
	free(load.latencies);
	return result == 0 ? 0 : 1;
}
