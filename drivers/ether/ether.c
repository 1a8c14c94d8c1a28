#define _GNU_SOURCE
#include "ether.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../mailbox/mailbox.h"
#include "../worker/worker.h"

/* Frames read in one system call. */
#define BATCH_FRAMES 32
/* The largest frame that is received: jumbo frames and their header. */
#define FRAME_BYTES_MAX (9216 + ETH_HLEN)
/* What the mailbox holds for each frame that it may hold, so that standard frames are bounded by their number. */
#define QUEUE_BYTES_PER_FRAME (ETH_FRAME_LEN + 8)
#define SOCKET_BUFFER_BYTES (1024 * 1024)
#define NETLINK_BYTES 16384

struct ether {
  int index;
  uint8_t mac[ETHER_MAC_BYTES];
  uint32_t mtu;
  size_t socket_count;
  int sockets[ETHER_TYPES_MAX];
  int netlink;
  /* The thread counts what is received, the sender what is sent and what the kernel dropped. */
  _Atomic uint64_t received_frames;
  _Atomic uint64_t received_bytes;
  _Atomic uint64_t oversized_frames;
  uint64_t sent_frames;
  uint64_t sent_bytes;
  uint64_t send_errors;
  uint64_t kernel_drops;
  uint8_t *buffers;
  struct mailbox box;
  struct worker worker;
};

static int describe_errno(char error[ERROR_BYTES], const char *interface, const char *what, int number) {
  if (number == EPERM || number == EACCES) {
    return describe(error, -number, "ether: no permission to open \"%s\": CAP_NET_RAW is needed (run as root, or grant it)", interface);
  }
  if (number == ENODEV || number == ENXIO) return describe(error, -number, "ether: there is no interface \"%s\"", interface);
  return describe(error, -number, "ether: \"%s\": %s: %s", interface, what, strerrordesc_np(number));
}

/*
 * What passes: frames to this host and to everybody, and multicast to one of our groups. What does not: other
 * multicast, frames of others (a promiscuous interface, a VLAN without an interface here), frames sent from here.
 */
static int attach_filter(int fd, const struct ether_options *options) {
  enum { PER_GROUP = 5, CODE_MAX = 6 + ETHER_GROUPS_MAX * PER_GROUP };
  struct sock_filter code[CODE_MAX] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_MULTICAST, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, PACKET_BROADCAST, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  unsigned short count = 5;
  for (size_t group = 0; group < options->group_count; group++) {
    uint32_t first;
    uint16_t rest;
    memcpy(&first, options->groups[group], sizeof first);
    memcpy(&rest, options->groups[group] + sizeof first, sizeof rest);
    code[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
    code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(first), 0, 3);
    code[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4);
    code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohs(rest), 0, 1);
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
  }
  code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
  struct sock_fprog program = {.len = count, .filter = code};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ? -errno : 0;
}

/* A socket that is given its type only when its filter stands, so that nothing foreign ever gets in. */
static int open_socket(const struct ether *ether, const struct ether_options *options, uint16_t type) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int result = attach_filter(fd, options);
  int bytes = SOCKET_BUFFER_BYTES, on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
  setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(type), .sll_ifindex = ether->index};
  if (result == 0 && bind(fd, (struct sockaddr *)&address, sizeof address) < 0) result = -errno;
  if (result == 0) return fd;
  close(fd);
  return result;
}

static int join_groups(const struct ether *ether, const struct ether_options *options) {
  for (size_t group = 0; group < options->group_count; group++) {
    struct packet_mreq request = {.mr_ifindex = ether->index, .mr_type = PACKET_MR_MULTICAST, .mr_alen = ETHER_MAC_BYTES};
    memcpy(request.mr_address, options->groups[group], ETHER_MAC_BYTES);
    if (setsockopt(ether->sockets[0], SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) < 0) return -errno;
  }
  return 0;
}

/* Asks for the interface's state; the answer comes like any change. */
static int ask_state(const struct ether *ether) {
  struct {
    struct nlmsghdr header;
    struct ifinfomsg link;
  } request = {
      .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
      .link = {.ifi_family = AF_UNSPEC, .ifi_index = ether->index},
  };
  return send(ether->netlink, &request, sizeof request, MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int open_netlink(struct ether *ether) {
  ether->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (ether->netlink < 0) return -errno;
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
  return bind(ether->netlink, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
}

/* Fills in index, address and MTU of the interface. Any socket can ask. */
static int find_interface(struct ether *ether, const char *name, char error[ERROR_BYTES]) {
  struct ifreq request = {0};
  if (strlen(name) == 0 || strlen(name) >= sizeof request.ifr_name) return describe_errno(error, name, "", ENODEV);
  strcpy(request.ifr_name, name);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return describe_errno(error, name, "no socket", errno);
  int result = 0;
  if (ioctl(fd, SIOCGIFINDEX, &request) < 0) result = describe_errno(error, name, "no index", errno);
  if (result == 0) ether->index = request.ifr_ifindex;
  if (result == 0 && ioctl(fd, SIOCGIFMTU, &request) < 0) result = describe_errno(error, name, "no MTU", errno);
  if (result == 0) ether->mtu = (uint32_t)request.ifr_mtu;
  if (result == 0 && ioctl(fd, SIOCGIFHWADDR, &request) < 0) result = describe_errno(error, name, "no address", errno);
  if (result == 0 && request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
    result = describe(error, -EPROTONOSUPPORT, "ether: \"%s\" is not an Ethernet interface", name);
  }
  if (result == 0) memcpy(ether->mac, request.ifr_hwaddr.sa_data, ETHER_MAC_BYTES);
  close(fd);
  return result;
}

static void fail(struct ether *ether, int error) {
  mailbox_set_fact(&ether->box, ETHER_FACT_FAILED, (uint32_t)error);
}

static void read_link(struct ether *ether, const struct nlmsghdr *header) {
  const struct ifinfomsg *link = NLMSG_DATA(header);
  /* A bridge tells of its ports by the same messages, in its own family. */
  if (header->nlmsg_len < NLMSG_LENGTH(sizeof *link) || link->ifi_family != AF_UNSPEC || link->ifi_index != ether->index) return;
  if (header->nlmsg_type == RTM_DELLINK) {
    fail(ether, ENODEV);
    return;
  }
  bool up = (link->ifi_flags & IFF_UP) != 0 && (link->ifi_flags & IFF_RUNNING) != 0;
  mailbox_set_fact(&ether->box, ETHER_FACT_CARRIER, up ? ETHER_CARRIER_UP : ETHER_CARRIER_DOWN);
}

static void read_netlink_error(struct ether *ether, const struct nlmsghdr *header) {
  const struct nlmsgerr *error = NLMSG_DATA(header);
  if (header->nlmsg_len >= NLMSG_LENGTH(sizeof *error) && error->error < 0) fail(ether, -error->error);
}

static void read_netlink(struct ether *ether) {
  _Alignas(struct nlmsghdr) uint8_t bytes[NETLINK_BYTES];
  ssize_t got = recv(ether->netlink, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0) {
    /* Messages were lost for want of room: how things stand now is what counts. */
    if (errno == ENOBUFS) {
      int asked = ask_state(ether);
      if (asked < 0) fail(ether, -asked);
    } else if (errno != EAGAIN && errno != EINTR) {
      fail(ether, errno);
    }
    return;
  }
  size_t left = (size_t)got;
  for (const struct nlmsghdr *header = (const struct nlmsghdr *)bytes; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
    if (header->nlmsg_type == RTM_NEWLINK || header->nlmsg_type == RTM_DELLINK) read_link(ether, header);
    if (header->nlmsg_type == NLMSG_ERROR) read_netlink_error(ether, header);
  }
}

static void keep_frame(struct ether *ether, const uint8_t *frame, size_t length, bool cut) {
  if (length < ETH_HLEN) return;
  if (cut) {
    atomic_fetch_add_explicit(&ether->oversized_frames, 1, memory_order_relaxed);
    return;
  }
  atomic_fetch_add_explicit(&ether->received_frames, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&ether->received_bytes, length, memory_order_relaxed);
  mailbox_push(&ether->box, frame + ETHER_MAC_BYTES, length - ETHER_MAC_BYTES, NULL, 0);
}

static void read_frames(struct ether *ether, int fd) {
  struct mmsghdr messages[BATCH_FRAMES];
  struct iovec places[BATCH_FRAMES];
  memset(messages, 0, sizeof messages);
  for (size_t index = 0; index < BATCH_FRAMES; index++) {
    places[index] = (struct iovec){.iov_base = ether->buffers + index * FRAME_BYTES_MAX, .iov_len = FRAME_BYTES_MAX};
    messages[index].msg_hdr.msg_iov = &places[index];
    messages[index].msg_hdr.msg_iovlen = 1;
  }
  int got = recvmmsg(fd, messages, BATCH_FRAMES, MSG_DONTWAIT, NULL);
  if (got < 0) {
    /* ENETDOWN tells once that the interface went down; netlink tells it too, and the socket lives on. */
    if (errno != EAGAIN && errno != EINTR && errno != ENETDOWN) fail(ether, errno);
    return;
  }
  for (int index = 0; index < got; index++) {
    keep_frame(ether, places[index].iov_base, messages[index].msg_len, (messages[index].msg_hdr.msg_flags & MSG_TRUNC) != 0);
  }
}

static void *run(void *argument) {
  struct ether *ether = argument;
  struct pollfd fds[2 + ETHER_TYPES_MAX] = {
      {.fd = ether->worker.event, .events = POLLIN},
      {.fd = ether->netlink, .events = POLLIN},
  };
  for (size_t index = 0; index < ether->socket_count; index++) {
    fds[2 + index] = (struct pollfd){.fd = ether->sockets[index], .events = POLLIN};
  }
  for (;;) {
    if (poll(fds, 2 + ether->socket_count, -1) < 0) continue;
    if ((fds[0].revents & POLLIN) != 0 && !worker_poked(&ether->worker)) return NULL;
    for (size_t index = 0; index < ether->socket_count; index++) {
      if (fds[2 + index].revents != 0) read_frames(ether, ether->sockets[index]);
    }
    if (fds[1].revents != 0) read_netlink(ether);
    mailbox_signal(&ether->box);
  }
}

static int open_sockets(struct ether *ether, const struct ether_options *options, char error[ERROR_BYTES]) {
  int result = open_netlink(ether);
  if (result < 0) return describe_errno(error, options->interface, "its state cannot be watched", -result);
  result = find_interface(ether, options->interface, error);
  if (result < 0) return result;
  for (size_t index = 0; index < options->type_count; index++) {
    result = open_socket(ether, options, options->types[index]);
    if (result < 0) return describe_errno(error, options->interface, "no packet socket", -result);
    ether->sockets[ether->socket_count++] = result;
  }
  result = join_groups(ether, options);
  if (result < 0) return describe_errno(error, options->interface, "its groups cannot be joined", -result);
  result = ask_state(ether);
  return result < 0 ? describe_errno(error, options->interface, "its state cannot be asked for", -result) : 0;
}

static void free_ether(struct ether *ether) {
  for (size_t index = 0; index < ether->socket_count; index++) close(ether->sockets[index]);
  if (ether->netlink >= 0) close(ether->netlink);
  mailbox_free(&ether->box);
  free(ether->buffers);
  free(ether);
}

int ether_open(struct ether **out, const struct ether_options *options, void (*wake)(void *context), void *context,
               char error[ERROR_BYTES]) {
  struct ether *ether = calloc(1, sizeof *ether);
  if (ether == NULL) return describe(error, -ENOMEM, "ether: out of memory");
  ether->netlink = -1;
  ether->buffers = malloc((size_t)BATCH_FRAMES * FRAME_BYTES_MAX);
  int result = ether->buffers == NULL ? -ENOMEM : 0;
  size_t queue_bytes = (size_t)options->queue_frames * QUEUE_BYTES_PER_FRAME;
  if (result == 0) result = mailbox_init(&ether->box, queue_bytes, options->queue_frames, wake, context);
  if (result < 0) describe(error, result, "ether: out of memory");
  if (result == 0) result = open_sockets(ether, options, error);
  if (result == 0) {
    result = worker_start(&ether->worker, "cardinal-ether", run, ether);
    if (result < 0) describe_errno(error, options->interface, "no thread can be started", -result);
  }
  if (result < 0) {
    free_ether(ether);
    return result;
  }
  *out = ether;
  return 0;
}

void ether_address(const struct ether *ether, uint8_t mac[ETHER_MAC_BYTES], uint32_t *mtu) {
  memcpy(mac, ether->mac, ETHER_MAC_BYTES);
  *mtu = ether->mtu;
}

size_t ether_take(struct ether *ether, uint8_t *into, size_t room) {
  return mailbox_take(&ether->box, into, room, MAILBOX_WANT_ALWAYS);
}

int ether_send(struct ether *ether, const uint8_t destination[ETHER_MAC_BYTES], uint16_t type, const uint8_t *payload, size_t length) {
  static const uint8_t zeros[ETH_ZLEN - ETH_HLEN];
  struct ethhdr header = {.h_proto = htons(type)};
  memcpy(header.h_dest, destination, ETH_ALEN);
  memcpy(header.h_source, ether->mac, ETH_ALEN);
  struct iovec parts[3] = {
      {.iov_base = &header, .iov_len = sizeof header},
      {.iov_base = (void *)(uintptr_t)payload, .iov_len = length},
      {.iov_base = (void *)(uintptr_t)zeros, .iov_len = length < sizeof zeros ? sizeof zeros - length : 0},
  };
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(type), .sll_ifindex = ether->index, .sll_halen = ETH_ALEN};
  memcpy(address.sll_addr, destination, ETH_ALEN);
  struct msghdr message = {.msg_name = &address, .msg_namelen = sizeof address, .msg_iov = parts, .msg_iovlen = 3};
  ssize_t sent = length > ether->mtu ? -1 : sendmsg(ether->sockets[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) {
    ether->send_errors++;
    return length > ether->mtu ? -EMSGSIZE : -errno;
  }
  ether->sent_frames++;
  ether->sent_bytes += (uint64_t)sent;
  return 0;
}

void ether_count(struct ether *ether, struct ether_counters *counters) {
  for (size_t index = 0; index < ether->socket_count; index++) {
    struct tpacket_stats stats;
    socklen_t size = sizeof stats;
    /* Reading starts the kernel's count over. */
    if (getsockopt(ether->sockets[index], SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0) ether->kernel_drops += stats.tp_drops;
  }
  uint64_t dropped, bytes;
  mailbox_dropped(&ether->box, &dropped, &bytes);
  *counters = (struct ether_counters){
      .received_frames = atomic_load_explicit(&ether->received_frames, memory_order_relaxed),
      .received_bytes = atomic_load_explicit(&ether->received_bytes, memory_order_relaxed),
      .sent_frames = ether->sent_frames,
      .sent_bytes = ether->sent_bytes,
      .dropped_frames = ether->kernel_drops + dropped + atomic_load_explicit(&ether->oversized_frames, memory_order_relaxed),
      .send_errors = ether->send_errors,
  };
}

void ether_close(struct ether *ether) {
  worker_stop(&ether->worker);
  free_ether(ether);
}
