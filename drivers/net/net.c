#define _GNU_SOURCE
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "announcement.h"

#define DUMP_BYTES 32768
/* How often addresses may have changed while they were dumped. */
#define DUMPS_MAX 16
#define REQUEST_BYTES 256
/* The kernel answers at once; a lost answer must not hold the program up for ever. */
#define ANSWER_TIMEOUT_S 1
/* IFF_LOWER_UP of linux/if.h, which cannot stand beside net/if.h. */
#define FLAG_LOWER_UP 0x10000

static int describe_errno(char error[ERROR_BYTES], const char *interface, const char *what, int result) {
  if (result == -EPERM || result == -EACCES) {
    return describe(error, result, "net: no permission for \"%s\": CAP_NET_ADMIN and CAP_NET_RAW are needed (%s)", interface, what);
  }
  if (result == -ENODEV || result == -ENXIO) return describe(error, result, "net: there is no interface \"%s\"", interface);
  return describe(error, result, "net: \"%s\": %s: %s", interface, what, strerrordesc_np(-result));
}

int net_parse(struct net_address *address, const char *text, uint32_t prefix) {
  memset(address, 0, sizeof *address);
  address->prefix = prefix;
  address->family = strchr(text, ':') == NULL ? AF_INET : AF_INET6;
  if (prefix > (address->family == AF_INET ? 32u : 128u)) return -EINVAL;
  return inet_pton(address->family, text, address->bytes) == 1 ? 0 : -EINVAL;
}

static size_t bytes_of(const struct net_address *address) {
  return address->family == AF_INET ? 4 : 16;
}

/* 0 when there is none of that name. */
static unsigned index_of(const char *interface) {
  return strlen(interface) < IF_NAMESIZE ? if_nametoindex(interface) : 0;
}

static int open_route(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return -errno;
  struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  return fd;
}

struct entry {
  unsigned index;
  struct net_address address;
};

_Static_assert(sizeof(struct entry) == 28, "entries are compared as bytes, so there is nothing between their members");

struct dump {
  struct entry *entries;
  size_t count;
  size_t room;
  /* Messages of the kernel's that had addresses. */
  size_t parts;
};

static int keep_entry(struct dump *dump, const struct entry *entry) {
  if (dump->count == dump->room) {
    size_t room = dump->room == 0 ? 64 : dump->room * 2;
    struct entry *entries = realloc(dump->entries, room * sizeof *entries);
    if (entries == NULL) return -ENOMEM;
    dump->entries = entries;
    dump->room = room;
  }
  dump->entries[dump->count++] = *entry;
  return 0;
}

static int read_entry(struct dump *dump, const struct nlmsghdr *header) {
  const struct ifaddrmsg *message = NLMSG_DATA(header);
  if (header->nlmsg_len < NLMSG_LENGTH(sizeof *message)) return 0;
  if (message->ifa_family != AF_INET && message->ifa_family != AF_INET6) return 0;
  struct entry entry = {.index = message->ifa_index, .address = {.family = message->ifa_family, .prefix = message->ifa_prefixlen}};
  const void *bytes = NULL;
  size_t left = header->nlmsg_len - NLMSG_LENGTH(sizeof *message);
  for (const struct rtattr *attribute = IFA_RTA(message); RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (RTA_PAYLOAD(attribute) < bytes_of(&entry.address)) continue;
    /* On a point-to-point interface IFA_ADDRESS is the other end's. */
    if (attribute->rta_type == IFA_LOCAL || (attribute->rta_type == IFA_ADDRESS && bytes == NULL)) bytes = RTA_DATA(attribute);
  }
  if (bytes == NULL) return 0;
  memcpy(entry.address.bytes, bytes, bytes_of(&entry.address));
  return keep_entry(dump, &entry);
}

/* 1, or why the kernel broke the dump off. */
static int result_of_dump(const struct nlmsghdr *done) {
  int result = done->nlmsg_len < NLMSG_LENGTH(sizeof result) ? 0 : *(const int *)NLMSG_DATA(done);
  return result < 0 ? result : 1;
}

/* 1 at the end of the dump, 0 when there is more, -errno. */
static int read_dump(int fd, uint8_t *bytes, struct dump *dump) {
  ssize_t got = recv(fd, bytes, DUMP_BYTES, 0);
  if (got < 0) return errno == EINTR ? 0 : -errno;
  size_t left = (size_t)got;
  int result = 0;
  const struct nlmsghdr *header = (const void *)bytes;
  if (NLMSG_OK(header, left) && header->nlmsg_type == RTM_NEWADDR) dump->parts++;
  for (; NLMSG_OK(header, left) && result == 0; header = NLMSG_NEXT(header, left)) {
    if (header->nlmsg_type == NLMSG_DONE) return result_of_dump(header);
    if (header->nlmsg_type == NLMSG_ERROR) return ((const struct nlmsgerr *)NLMSG_DATA(header))->error;
    if (header->nlmsg_type == RTM_NEWADDR) result = read_entry(dump, header);
  }
  return result;
}

static int dump_addresses(struct dump *dump, uint8_t *bytes) {
  struct {
    struct nlmsghdr header;
    struct ifaddrmsg message;
  } request = {.header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
  int fd = open_route();
  if (fd < 0) return fd;
  dump->count = 0;
  dump->parts = 0;
  int result = send(fd, &request, sizeof request, 0) < 0 ? -errno : 0;
  while (result == 0) result = read_dump(fd, bytes, dump);
  close(fd);
  return result;
}

static bool is_same(const struct dump *one, const struct dump *other) {
  return one->count == other->count && memcmp(one->entries, other->entries, one->count * sizeof *one->entries) == 0;
}

/*
 * Between two parts the kernel goes on by counting: it passes over an address for each that went meanwhile, and does not always say so
 * (NLM_F_DUMP_INTR). So a dump of several parts counts when the next one is the same.
 */
static int dump_whole(struct dump *dump, uint8_t *bytes) {
  struct dump former = {0};
  int result = dump_addresses(dump, bytes);
  for (int round = 0; result > 0 && dump->parts > 1 && !is_same(dump, &former); round++) {
    struct dump swapped = former;
    former = *dump;
    *dump = swapped;
    result = round < DUMPS_MAX ? dump_addresses(dump, bytes) : -EAGAIN;
  }
  free(former.entries);
  return result;
}

static void tell_entries(const struct dump *dump, unsigned wanted, net_visit *visit, void *context) {
  unsigned named = 0;
  char name[IF_NAMESIZE];
  for (size_t index = 0; index < dump->count; index++) {
    const struct entry *entry = &dump->entries[index];
    if (wanted != 0 && entry->index != wanted) continue;
    if (entry->index != named && if_indextoname(entry->index, name) == NULL) continue;
    named = entry->index;
    visit(context, name, &entry->address);
  }
}

int net_list(const char *interface, net_visit *visit, void *context, char error[ERROR_BYTES]) {
  unsigned index = 0;
  if (interface[0] != '\0') {
    index = index_of(interface);
    if (index == 0) return describe_errno(error, interface, "", -ENODEV);
  }
  struct dump dump = {0};
  uint8_t *bytes = malloc(DUMP_BYTES);
  int result = bytes == NULL ? -ENOMEM : dump_whole(&dump, bytes);
  if (result > 0) tell_entries(&dump, index, visit, context);
  free(dump.entries);
  free(bytes);
  return result < 0 ? describe_errno(error, interface, "its addresses cannot be listed", result) : 0;
}

/* Sends a request and waits for the kernel's answer, of which what has room is kept: how many bytes that are, or -errno. */
static ssize_t exchange(const void *request, size_t length, void *answer, size_t room) {
  int fd = open_route();
  if (fd < 0) return fd;
  ssize_t got = send(fd, request, length, 0);
  if (got >= 0) {
    do got = recv(fd, answer, room, 0);
    while (got < 0 && errno == EINTR);
  }
  if (got < 0) got = -errno;
  close(fd);
  return got;
}

struct address_request {
  struct nlmsghdr header;
  struct ifaddrmsg message;
  uint8_t attributes[REQUEST_BYTES];
};

static void put_attribute(struct address_request *request, unsigned short type, const void *bytes, size_t length) {
  struct rtattr *attribute = (struct rtattr *)(void *)((uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = (unsigned short)RTA_LENGTH(length);
  memcpy(RTA_DATA(attribute), bytes, length);
  request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + (uint32_t)RTA_SPACE(length);
}

static void put_broadcast(struct address_request *request, const struct net_address *address) {
  uint32_t host;
  memcpy(&host, address->bytes, sizeof host);
  host |= htonl(address->prefix == 0 ? UINT32_MAX : (uint32_t)((UINT64_C(1) << (32 - address->prefix)) - 1));
  put_attribute(request, IFA_BROADCAST, &host, sizeof host);
}

static int perform(const struct address_request *request) {
  _Alignas(struct nlmsghdr) uint8_t answer[1024];
  ssize_t got = exchange(request, request->header.nlmsg_len, answer, sizeof answer);
  if (got < 0) return (int)got;
  const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
  if ((size_t)got < NLMSG_LENGTH(sizeof(struct nlmsgerr)) || header->nlmsg_type != NLMSG_ERROR) return -EBADMSG;
  return ((const struct nlmsgerr *)NLMSG_DATA(header))->error;
}

static int change(const char *interface, const struct net_address *address, uint16_t type, uint16_t flags) {
  unsigned index = index_of(interface);
  if (index == 0) return -ENODEV;
  struct address_request request = {
      .header = {.nlmsg_len = NLMSG_LENGTH(sizeof request.message), .nlmsg_type = type},
      .message = {.ifa_family = (uint8_t)address->family, .ifa_prefixlen = (uint8_t)address->prefix, .ifa_index = index},
  };
  request.header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
  if (address->family == AF_INET6) request.message.ifa_flags = IFA_F_NODAD;
  put_attribute(&request, IFA_LOCAL, address->bytes, bytes_of(address));
  put_attribute(&request, IFA_ADDRESS, address->bytes, bytes_of(address));
  if (type == RTM_NEWADDR && address->family == AF_INET && address->prefix < 31) put_broadcast(&request, address);
  return perform(&request);
}

int net_add(const char *interface, const struct net_address *address, char error[ERROR_BYTES]) {
  int result = change(interface, address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  if (result == 0 || result == -EEXIST) return 0;
  if (result == -EACCES && address->family == AF_INET6) {
    return describe(error, result, "net: \"%s\" has no IPv6: net.ipv6.conf.%s.disable_ipv6 is 1 and must be 0", interface, interface);
  }
  return describe_errno(error, interface, "the address cannot be added", result);
}

/* Without this the kernel removes, with the first address of a subnet, all others of the same. */
static int promote_secondaries(const char *interface) {
  char path[128];
  snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/promote_secondaries", interface);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = write(fd, "1", 1) == 1 ? 0 : -errno;
  close(fd);
  return result;
}

struct lost {
  const struct net_address *removed;
  size_t others;
};

static void count_other(void *context, const char *interface, const struct net_address *address) {
  (void)interface;
  struct lost *lost = context;
  bool removed = net_same_host(address, lost->removed) && address->prefix == lost->removed->prefix;
  if (address->family == AF_INET && !removed) lost->others++;
}

/* A read-only /proc matters only where another address could be taken along. */
static int protect_others(const char *interface, const struct net_address *address, char error[ERROR_BYTES]) {
  if (address->family != AF_INET || index_of(interface) == 0) return 0;
  int promoted = promote_secondaries(interface);
  if (promoted == 0) return 0;
  struct lost lost = {.removed = address};
  int result = net_list(interface, count_other, &lost, error);
  if (result < 0 || lost.others == 0) return result;
  return describe_errno(error, interface, "promote_secondaries cannot be set, and without it other addresses would go too", promoted);
}

int net_remove(const char *interface, const struct net_address *address, char error[ERROR_BYTES]) {
  int result = protect_others(interface, address, error);
  if (result < 0) return result;
  result = change(interface, address, RTM_DELADDR, 0);
  if (result == 0 || result == -EADDRNOTAVAIL) return 0;
  return describe_errno(error, interface, "the address cannot be removed", result);
}

static int own_mac(const char *interface, uint8_t mac[NET_MAC_BYTES]) {
  struct ifreq request = {0};
  if (strlen(interface) >= sizeof request.ifr_name) return -ENODEV;
  strcpy(request.ifr_name, interface);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int result = ioctl(fd, SIOCGIFHWADDR, &request) < 0 ? -errno : 0;
  close(fd);
  if (result == 0 && request.ifr_hwaddr.sa_family != ARPHRD_ETHER) result = -EPROTONOSUPPORT;
  if (result == 0) memcpy(mac, request.ifr_hwaddr.sa_data, NET_MAC_BYTES);
  return result;
}

static int send_frame(int fd, unsigned index, const uint8_t *frame, size_t length) {
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)index, .sll_halen = ETH_ALEN};
  memcpy(to.sll_addr, frame, ETH_ALEN);
  memcpy(&to.sll_protocol, frame + 2 * ETH_ALEN, sizeof to.sll_protocol);
  return sendto(fd, frame, length, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) < 0 ? -errno : 0;
}

void net_announcer_init(struct net_announcer *announcer) {
  announcer->packet = -1;
}

void net_announcer_free(struct net_announcer *announcer) {
  if (announcer->packet >= 0) close(announcer->packet);
  announcer->packet = -1;
}

/* Protocol 0: the socket receives nothing. */
static int open_packet(struct net_announcer *announcer) {
  if (announcer->packet >= 0) return 0;
  announcer->packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  return announcer->packet < 0 ? -errno : 0;
}

/* What announcing needs to know, and the socket for it: the interface's index, or -errno. */
static int prepare(struct net_announcer *announcer, const char *interface, uint8_t mac[NET_MAC_BYTES]) {
  unsigned index = index_of(interface);
  if (index == 0) return -ENODEV;
  int result = own_mac(interface, mac);
  if (result == 0) result = open_packet(announcer);
  return result < 0 ? result : (int)index;
}

static int announce(struct net_announcer *announcer, const char *interface, const struct net_address *address) {
  uint8_t mac[NET_MAC_BYTES], frame[NET_FRAME_BYTES_MAX];
  int result = prepare(announcer, interface, mac);
  if (result < 0) return result;
  unsigned index = (unsigned)result;
  if (address->family == AF_INET6) return send_frame(announcer->packet, index, frame, announcement_neighbour(frame, mac, address->bytes));
  result = send_frame(announcer->packet, index, frame, announcement_arp(frame, mac, address->bytes, ARPOP_REQUEST));
  if (result < 0) return result;
  return send_frame(announcer->packet, index, frame, announcement_arp(frame, mac, address->bytes, ARPOP_REPLY));
}

int net_announce(struct net_announcer *announcer, const char *interface, const struct net_address *address, char error[ERROR_BYTES]) {
  int result = announce(announcer, interface, address);
  return result < 0 ? describe_errno(error, interface, "the address cannot be announced", result) : 0;
}

int net_probe(struct net_announcer *announcer, const char *interface, const struct net_address *address, char error[ERROR_BYTES]) {
  uint8_t mac[NET_MAC_BYTES], frame[NET_FRAME_BYTES_MAX];
  int result = prepare(announcer, interface, mac);
  if (result >= 0) {
    size_t length = address->family == AF_INET ? announcement_arp_probe(frame, mac, address->bytes)
                                               : announcement_solicitation(frame, mac, address->bytes);
    result = send_frame(announcer->packet, (unsigned)result, frame, length);
  }
  return result < 0 ? describe_errno(error, interface, "the address cannot be asked for", result) : 0;
}

/* The interface's flags, or -errno. */
static int64_t flags_of(unsigned index) {
  struct {
    struct nlmsghdr header;
    struct ifinfomsg link;
  } request = {
      .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
      .link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index},
  };
  _Alignas(struct nlmsghdr) uint8_t answer[1024];
  ssize_t got = exchange(&request, sizeof request, answer, sizeof answer);
  if (got < 0) return got;
  const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
  if ((size_t)got >= NLMSG_LENGTH(sizeof(struct nlmsgerr)) && header->nlmsg_type == NLMSG_ERROR) {
    return ((const struct nlmsgerr *)NLMSG_DATA(header))->error;
  }
  if ((size_t)got < NLMSG_LENGTH(sizeof(struct ifinfomsg)) || header->nlmsg_type != RTM_NEWLINK) return -EBADMSG;
  return ((const struct ifinfomsg *)NLMSG_DATA(header))->ifi_flags;
}

int net_link(const char *interface, char error[ERROR_BYTES]) {
  unsigned index = index_of(interface);
  int64_t flags = index == 0 ? -ENODEV : flags_of(index);
  if (flags < 0) return describe_errno(error, interface, "its state cannot be asked for", (int)flags);
  /* A lost carrier shows at once in the one, a found one counts once the kernel sends again, which the other says. */
  const int64_t needed = IFF_UP | IFF_RUNNING | FLAG_LOWER_UP;
  return (flags & needed) == needed ? NET_LINK_UP : NET_LINK_DOWN;
}

bool net_owns_mac(const uint8_t mac[NET_MAC_BYTES]) {
  struct if_nameindex *all = if_nameindex();
  bool owned = false;
  for (const struct if_nameindex *each = all; each != NULL && each->if_index != 0 && !owned; each++) {
    uint8_t own[NET_MAC_BYTES];
    owned = own_mac(each->if_name, own) == 0 && memcmp(own, mac, NET_MAC_BYTES) == 0;
  }
  if (all != NULL) if_freenameindex(all);
  return owned;
}

void net_format(const struct net_address *address, char text[NET_ADDRESS_BYTES]) {
  char host[INET6_ADDRSTRLEN];
  inet_ntop(address->family, address->bytes, host, sizeof host);
  snprintf(text, NET_ADDRESS_BYTES, "%s/%u", host, address->prefix);
}

bool net_same_host(const struct net_address *one, const struct net_address *other) {
  return one->family == other->family && memcmp(one->bytes, other->bytes, bytes_of(one)) == 0;
}
