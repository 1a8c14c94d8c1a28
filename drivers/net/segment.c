#define _GNU_SOURCE
#include "segment.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../mailbox/mailbox.h"
#include "../worker/orders.h"
#include "../worker/worker.h"
#include "claim.h"

#define QUEUE_BYTES (512u * 1024u)
#define QUEUE_RECORDS 8192
/* One piece of a listing. */
#define TEXT_BYTES 16384
#define NETLINK_BYTES 16384
#define RIVAL_GAP_US 1000000
#define CLAIMS_AT_ONCE 64

_Static_assert(SEGMENT_ADDRESSES_MAX <= CLAIM_FILTER_MAX, "a filter holds what an interface may have");

struct taken {
  char interface[SEGMENT_INTERFACE_BYTES];
  struct net_address address;
  int64_t rival_at;
  /* Of the last look. */
  bool present;
};

/* An interface that has, or had, an address that was taken. The sockets are bound to its index. */
struct wire {
  char interface[SEGMENT_INTERFACE_BYTES];
  unsigned index;
  int arp;
  int advertisements;
  int state;
};

struct segment {
  struct orders requests;
  /* The thread's own from here on. */
  struct net_announcer announcer;
  int netlink;
  struct taken taken[SEGMENT_ADDRESSES_MAX];
  size_t taken_count;
  struct wire wires[SEGMENT_INTERFACES_MAX];
  size_t wire_count;
  /* Hardware addresses that were heard and are ours, since an interface changed last. */
  uint8_t own_macs[SEGMENT_INTERFACES_MAX][NET_MAC_BYTES];
  size_t own_count;
  uint8_t *netlink_bytes;
  char *text;
  size_t text_length;
  struct mailbox box;
  struct worker worker;
};

struct record {
  uint32_t id;
  int32_t result;
  uint32_t microseconds;
  uint32_t kind;
};

static void push(struct segment *segment, const struct record *record, const char *text, size_t length) {
  mailbox_push(&segment->box, record, sizeof *record, text, length);
}

__attribute__((format(printf, 3, 4))) static void tell(struct segment *segment, enum segment_kind kind, const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  struct record record = {.kind = kind};
  push(segment, &record, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

/* Watching. */

static struct wire *wire_of(struct segment *segment, const char *interface) {
  for (size_t index = 0; index < segment->wire_count; index++) {
    if (strcmp(segment->wires[index].interface, interface) == 0) return &segment->wires[index];
  }
  return NULL;
}

static void close_wire(struct wire *wire) {
  if (wire->arp >= 0) close(wire->arp);
  if (wire->advertisements >= 0) close(wire->advertisements);
  wire->arp = wire->advertisements = -1;
}

static size_t addresses_on(const struct segment *segment, const char *interface, struct net_address *addresses) {
  size_t count = 0;
  for (size_t index = 0; index < segment->taken_count; index++) {
    if (strcmp(segment->taken[index].interface, interface) == 0) addresses[count++] = segment->taken[index].address;
  }
  return count;
}

static int filter_family(int *fd, int family, const struct wire *wire, const struct net_address *addresses, size_t count) {
  bool wanted = false;
  for (size_t index = 0; index < count; index++) wanted = wanted || addresses[index].family == family;
  if (*fd < 0) {
    if (!wanted) return 0;
    int opened = claim_open(family, wire->index);
    if (opened < 0) return opened;
    *fd = opened;
  }
  return claim_filter(*fd, family, addresses, count);
}

/* Has the wire's sockets let through what is taken on it. */
static int filter_wire(struct segment *segment, struct wire *wire) {
  struct net_address addresses[SEGMENT_ADDRESSES_MAX];
  size_t count = addresses_on(segment, wire->interface, addresses);
  int result = filter_family(&wire->arp, AF_INET, wire, addresses, count);
  return result < 0 ? result : filter_family(&wire->advertisements, AF_INET6, wire, addresses, count);
}

/* A wire to be made another's; NULL when on each of them an address is taken. */
static struct wire *free_wire(struct segment *segment) {
  if (segment->wire_count < SEGMENT_INTERFACES_MAX) {
    struct wire *wire = &segment->wires[segment->wire_count++];
    *wire = (struct wire){.arp = -1, .advertisements = -1};
    return wire;
  }
  struct net_address addresses[SEGMENT_ADDRESSES_MAX];
  for (size_t index = 0; index < segment->wire_count; index++) {
    if (addresses_on(segment, segment->wires[index].interface, addresses) == 0) return &segment->wires[index];
  }
  return NULL;
}

/* The wire of an interface that exists, bound to what has its name now; NULL when there are too many. */
static struct wire *open_wire(struct segment *segment, const char *interface, unsigned index) {
  struct wire *wire = wire_of(segment, interface);
  if (wire == NULL) {
    wire = free_wire(segment);
    if (wire == NULL) return NULL;
    close_wire(wire);
    *wire = (struct wire){.arp = -1, .advertisements = -1, .index = index};
    strcpy(wire->interface, interface);
  }
  if (wire->index != index) close_wire(wire);
  wire->index = index;
  return wire;
}

static struct taken *find_taken(struct segment *segment, const char *interface, const struct net_address *address) {
  for (size_t index = 0; index < segment->taken_count; index++) {
    struct taken *taken = &segment->taken[index];
    if (strcmp(taken->interface, interface) == 0 && net_same_host(&taken->address, address)) return taken;
  }
  return NULL;
}

static void forget(struct segment *segment, struct taken *taken) {
  struct wire *wire = wire_of(segment, taken->interface);
  *taken = segment->taken[--segment->taken_count];
  /* Fails only for want of memory; then strangers' claims are sorted out here. */
  if (wire != NULL) (void)filter_wire(segment, wire);
}

static int watch(struct segment *segment, const struct segment_request *request, char error[ERROR_BYTES]) {
  unsigned index = if_nametoindex(request->interface);
  if (index == 0) return 0; /* Adding the address says what is wrong. */
  struct wire *wire = open_wire(segment, request->interface, index);
  if (wire == NULL) {
    return describe(error, -ENOSPC, "net: \"%s\": addresses are taken on %d interfaces, and that is the most", request->interface,
                    SEGMENT_INTERFACES_MAX);
  }
  if (find_taken(segment, request->interface, &request->address) == NULL) {
    if (segment->taken_count == SEGMENT_ADDRESSES_MAX) {
      return describe(error, -ENOSPC, "net: \"%s\": %d addresses are taken, and that is the most", request->interface,
                      SEGMENT_ADDRESSES_MAX);
    }
    struct taken *taken = &segment->taken[segment->taken_count++];
    *taken = (struct taken){.address = request->address, .rival_at = INT64_MIN / 2};
    strcpy(taken->interface, request->interface);
  }
  wire->state = net_link(request->interface, error);
  int result = filter_wire(segment, wire);
  if (result == 0) return 0;
  return describe(error, result, "net: \"%s\": its segment cannot be watched: %s", request->interface, strerrordesc_np(-result));
}

/* Asking the kernel takes a hundred calls: a storm of our own announcements must not have it asked for each frame. */
static bool is_own(struct segment *segment, const uint8_t mac[NET_MAC_BYTES]) {
  for (size_t index = 0; index < segment->own_count; index++) {
    if (memcmp(segment->own_macs[index], mac, NET_MAC_BYTES) == 0) return true;
  }
  if (!net_owns_mac(mac)) return false;
  if (segment->own_count == SEGMENT_INTERFACES_MAX) segment->own_count = 0;
  memcpy(segment->own_macs[segment->own_count++], mac, NET_MAC_BYTES);
  return true;
}

static void read_claims(struct segment *segment, const struct wire *wire, int fd) {
  uint8_t frame[ETH_FRAME_LEN];
  for (int round = 0; round < CLAIMS_AT_ONCE; round++) {
    ssize_t got = recv(fd, frame, sizeof frame, MSG_DONTWAIT);
    if (got < 0) return;
    struct claim claim;
    if (!claim_parse(&claim, frame, (size_t)got)) continue;
    struct taken *taken = find_taken(segment, wire->interface, &claim.address);
    int64_t now = now_us();
    if (taken == NULL || now - taken->rival_at < RIVAL_GAP_US || is_own(segment, claim.mac)) continue;
    taken->rival_at = now;
    char text[NET_ADDRESS_BYTES];
    net_format(&taken->address, text);
    tell(segment, SEGMENT_RIVAL, "%s %s %02x:%02x:%02x:%02x:%02x:%02x", taken->interface, text, claim.mac[0], claim.mac[1], claim.mac[2],
         claim.mac[3], claim.mac[4], claim.mac[5]);
  }
}

static void note_present(void *context, const char *interface, const struct net_address *address) {
  struct taken *taken = find_taken(context, interface, address);
  if (taken != NULL) taken->present = true;
}

/* Tells of what was taken and is not there any more, unless that cannot be told. */
static void check_taken(struct segment *segment) {
  char error[ERROR_BYTES];
  for (size_t index = 0; index < segment->taken_count; index++) segment->taken[index].present = false;
  if (net_list("", note_present, segment, error) < 0) return;
  for (size_t index = segment->taken_count; index-- > 0;) {
    struct taken *taken = &segment->taken[index];
    if (taken->present) continue;
    char text[NET_ADDRESS_BYTES];
    net_format(&taken->address, text);
    tell(segment, SEGMENT_LOST, "%s %s", taken->interface, text);
    forget(segment, taken);
  }
}

static void check_wire(struct segment *segment, struct wire *wire) {
  char error[ERROR_BYTES];
  unsigned index = if_nametoindex(wire->interface);
  int state = index == 0 ? 0 : net_link(wire->interface, error);
  if (index != 0 && index != wire->index) {
    open_wire(segment, wire->interface, index);
    (void)filter_wire(segment, wire);
  }
  if (state == wire->state || state < 0) return;
  wire->state = state;
  tell(segment, SEGMENT_CARRIER, "%s %s", wire->interface, state == 0 ? "gone" : state == NET_LINK_UP ? "up" : "down");
}

/* What is told says only that something changed; how things are now is looked up. */
static void read_netlink(struct segment *segment) {
  bool links = false, addresses = false;
  for (;;) {
    ssize_t got = recv(segment->netlink, segment->netlink_bytes, NETLINK_BYTES, MSG_DONTWAIT);
    if (got < 0 && errno == ENOBUFS) links = addresses = true;
    if (got < 0 && errno != ENOBUFS) break;
    size_t left = got < 0 ? 0 : (size_t)got;
    const struct nlmsghdr *header = (const void *)segment->netlink_bytes;
    for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
      links = links || header->nlmsg_type == RTM_NEWLINK || header->nlmsg_type == RTM_DELLINK;
      addresses = addresses || header->nlmsg_type == RTM_DELADDR || header->nlmsg_type == RTM_DELLINK;
    }
  }
  if (links) segment->own_count = 0;
  for (size_t index = 0; links && index < segment->wire_count; index++) check_wire(segment, &segment->wires[index]);
  if (addresses) check_taken(segment);
}

/* Requests. */

struct listing {
  struct segment *segment;
  const struct segment_request *request;
};

static void send_listing(struct segment *segment, const struct segment_request *request) {
  struct record record = {.id = request->id, .result = 1, .kind = request->kind};
  push(segment, &record, segment->text, segment->text_length);
  segment->text_length = 0;
}

static void note_listed(void *context, const char *interface, const struct net_address *address) {
  const struct listing *listing = context;
  struct segment *segment = listing->segment;
  size_t room = TEXT_BYTES - segment->text_length;
  if (room < SEGMENT_INTERFACE_BYTES + NET_ADDRESS_BYTES + 2) {
    send_listing(segment, listing->request);
    room = TEXT_BYTES;
  }
  char text[NET_ADDRESS_BYTES];
  net_format(address, text);
  segment->text_length += (size_t)snprintf(segment->text + segment->text_length, room, "%s %s\n", interface, text);
}

static int list(struct segment *segment, const struct segment_request *request, char error[ERROR_BYTES]) {
  struct listing listing = {.segment = segment, .request = request};
  return net_list(request->interface, note_listed, &listing, error);
}

static int announce(struct segment *segment, const struct segment_request *request, char error[ERROR_BYTES]) {
  int result = 0;
  for (uint32_t count = 0; count < request->announcements && result == 0; count++) {
    result = net_announce(&segment->announcer, request->interface, &request->address, error);
  }
  return result;
}

static int link_state(struct segment *segment, const struct segment_request *request, char error[ERROR_BYTES]) {
  int result = net_link(request->interface, error);
  if (result < 0) return result;
  segment->text_length = (size_t)snprintf(segment->text, TEXT_BYTES, "%s", result == NET_LINK_UP ? "up" : "down");
  return 0;
}

static int take(struct segment *segment, const struct segment_request *request, char error[ERROR_BYTES]) {
  int result = watch(segment, request, error);
  if (result == 0) result = net_probe(&segment->announcer, request->interface, &request->address, error);
  if (result == -ENETDOWN) result = 0; /* An interface without a carrier gets the address all the same. */
  if (result == 0) result = net_add(request->interface, &request->address, error);
  if (result == 0) {
    result = announce(segment, request, error);
    return result == 0 || result == -ENETDOWN ? link_state(segment, request, error) : result;
  }
  struct taken *taken = find_taken(segment, request->interface, &request->address);
  if (taken != NULL) forget(segment, taken);
  return result;
}

struct entries {
  const struct segment_request *request;
  struct net_address here[16];
  size_t here_count;
  char elsewhere[SEGMENT_INTERFACE_BYTES];
};

static void note_entry(void *context, const char *interface, const struct net_address *address) {
  struct entries *entries = context;
  if (!net_same_host(address, &entries->request->address)) return;
  if (strcmp(interface, entries->request->interface) != 0) {
    snprintf(entries->elsewhere, sizeof entries->elsewhere, "%s", interface);
  } else if (entries->here_count < sizeof entries->here / sizeof entries->here[0]) {
    entries->here[entries->here_count++] = *address;
  }
}

static int release(struct segment *segment, const struct segment_request *request, char error[ERROR_BYTES]) {
  struct taken *taken = find_taken(segment, request->interface, &request->address);
  if (taken != NULL) forget(segment, taken);
  struct entries entries = {.request = request};
  int result = net_list("", note_entry, &entries, error);
  size_t removed = entries.here_count;
  for (size_t index = 0; index < removed && result == 0; index++) {
    result = net_remove(request->interface, &entries.here[index], error);
    /* An interface that goes away meanwhile takes its addresses along. */
    if (result == -ENODEV) result = 0;
  }
  if (result < 0) return result;
  entries = (struct entries){.request = request};
  result = net_list("", note_entry, &entries, error);
  if (result < 0) return result;
  if (entries.here_count > 0 || entries.elsewhere[0] != '\0') {
    char text[NET_ADDRESS_BYTES];
    net_format(&request->address, text);
    return describe(error, -EADDRINUSE, "net: %s is on \"%s\" still", text,
                    entries.elsewhere[0] != '\0' ? entries.elsewhere : request->interface);
  }
  segment->text_length = (size_t)snprintf(segment->text, TEXT_BYTES, "%zu", removed);
  return 0;
}

static int perform(struct segment *segment, const struct segment_request *request, char error[ERROR_BYTES]) {
  switch (request->kind) {
    case SEGMENT_LIST:
      return list(segment, request, error);
    case SEGMENT_ANNOUNCE:
      return announce(segment, request, error);
    case SEGMENT_TAKE:
      return take(segment, request, error);
    case SEGMENT_RELEASE:
      return release(segment, request, error);
    case SEGMENT_LINK:
      return link_state(segment, request, error);
    default:
      return describe(error, -EINVAL, "net: there is no request %d", request->kind);
  }
}

static void answer(struct segment *segment, const struct segment_request *request) {
  char error[ERROR_BYTES] = "";
  segment->text_length = 0;
  int64_t began = now_us();
  int result = perform(segment, request, error);
  struct record record = {
      .id = request->id, .result = result, .microseconds = (uint32_t)(now_us() - began), .kind = request->kind};
  if (result < 0) {
    push(segment, &record, error, strlen(error));
  } else {
    push(segment, &record, segment->text, segment->text_length);
  }
}

static nfds_t fill_polls(const struct segment *segment, struct pollfd *fds) {
  nfds_t count = 0;
  fds[count++] = (struct pollfd){.fd = segment->worker.event, .events = POLLIN};
  fds[count++] = (struct pollfd){.fd = segment->netlink, .events = POLLIN};
  for (size_t index = 0; index < segment->wire_count; index++) {
    /* A negative descriptor is passed over. */
    fds[count++] = (struct pollfd){.fd = segment->wires[index].arp, .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = segment->wires[index].advertisements, .events = POLLIN};
  }
  return count;
}

static void *run(void *argument) {
  struct segment *segment = argument;
  struct pollfd fds[2 + 2 * SEGMENT_INTERFACES_MAX];
  for (;;) {
    nfds_t count = fill_polls(segment, fds);
    if (poll(fds, count, -1) < 0) continue;
    if ((fds[0].revents & POLLIN) != 0 && !worker_poked(&segment->worker)) return NULL;
    /* What is read here was filtered for addresses taken before; requests come after it. */
    for (nfds_t index = 2; index < count; index++) {
      if (fds[index].revents != 0) read_claims(segment, &segment->wires[(index - 2) / 2], fds[index].fd);
    }
    if (fds[1].revents != 0) read_netlink(segment);
    struct segment_request request;
    while (orders_next(&segment->requests, &request)) {
      answer(segment, &request);
      mailbox_signal(&segment->box);
    }
    mailbox_signal(&segment->box);
  }
}

static int open_netlink(struct segment *segment) {
  segment->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (segment->netlink < 0) return -errno;
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
  return bind(segment->netlink, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
}

static void free_segment(struct segment *segment) {
  for (size_t index = 0; index < segment->wire_count; index++) close_wire(&segment->wires[index]);
  if (segment->netlink >= 0) close(segment->netlink);
  net_announcer_free(&segment->announcer);
  mailbox_free(&segment->box);
  orders_free(&segment->requests);
  free(segment->netlink_bytes);
  free(segment->text);
  free(segment);
}

int segment_open(struct segment **out, void (*wake)(void *context), void *context) {
  struct segment *segment = calloc(1, sizeof *segment);
  if (segment == NULL) return -ENOMEM;
  segment->netlink = -1;
  net_announcer_init(&segment->announcer);
  segment->netlink_bytes = malloc(NETLINK_BYTES);
  segment->text = malloc(TEXT_BYTES);
  int result = segment->netlink_bytes == NULL || segment->text == NULL ? -ENOMEM : 0;
  if (result == 0) result = orders_init(&segment->requests, SEGMENT_REQUESTS_MAX, sizeof(struct segment_request));
  if (result == 0) result = mailbox_init(&segment->box, QUEUE_BYTES, QUEUE_RECORDS, wake, context);
  if (result == 0) result = open_netlink(segment);
  if (result == 0) result = worker_start(&segment->worker, "cardinal-net", run, segment);
  if (result < 0) {
    free_segment(segment);
    return result;
  }
  *out = segment;
  return 0;
}

int segment_request(struct segment *segment, const struct segment_request *request) {
  if (!orders_give(&segment->requests, request)) return -ENOBUFS;
  worker_poke(&segment->worker);
  return 0;
}

size_t segment_take(struct segment *segment, uint8_t *into, size_t room) {
  return mailbox_take(&segment->box, into, room, MAILBOX_WANT_ALWAYS);
}

void segment_close(struct segment *segment) {
  worker_stop(&segment->worker);
  free_segment(segment);
}
