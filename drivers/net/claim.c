#define _GNU_SOURCE
#include "claim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ARP_BYTES 28
#define IPV6_AT ETH_HLEN
#define ICMPV6_AT (IPV6_AT + 40)
#define TARGET_AT (ICMPV6_AT + 8)
#define OPTIONS_AT (TARGET_AT + 16)
#define NEXT_HEADER_ICMPV6 58
#define NEIGHBOUR_ADVERTISEMENT 136
#define OPTION_TARGET 2
#define HOP_LIMIT 255

static unsigned read16(const uint8_t *at) {
  return (unsigned)at[0] << 8 | at[1];
}

static bool parse_arp(struct claim *claim, const uint8_t *frame, size_t length) {
  const uint8_t *arp = frame + ETH_HLEN;
  if (length < ETH_HLEN + ARP_BYTES) return false;
  if (read16(arp) != 1 || read16(arp + 2) != ETH_P_IP || arp[4] != NET_MAC_BYTES || arp[5] != 4) return false;
  claim->address.family = AF_INET;
  memcpy(claim->address.bytes, arp + 14, 4);
  memcpy(claim->mac, arp + 8, NET_MAC_BYTES);
  return true;
}

static bool parse_advertisement(struct claim *claim, const uint8_t *frame, size_t length) {
  if (length < OPTIONS_AT || frame[IPV6_AT + 6] != NEXT_HEADER_ICMPV6 || frame[IPV6_AT + 7] != HOP_LIMIT) return false;
  if (frame[ICMPV6_AT] != NEIGHBOUR_ADVERTISEMENT || frame[ICMPV6_AT + 1] != 0) return false;
  size_t end = IPV6_AT + 40 + (size_t)read16(frame + IPV6_AT + 4);
  if (end > length) return false;
  claim->address.family = AF_INET6;
  memcpy(claim->address.bytes, frame + TARGET_AT, 16);
  memcpy(claim->mac, frame + ETH_ALEN, NET_MAC_BYTES);
  for (size_t at = OPTIONS_AT; at + 2 <= end;) {
    size_t bytes = (size_t)frame[at + 1] * 8;
    if (bytes == 0 || at + bytes > end) return false;
    if (frame[at] == OPTION_TARGET) memcpy(claim->mac, frame + at + 2, NET_MAC_BYTES);
    at += bytes;
  }
  return true;
}

bool claim_parse(struct claim *claim, const uint8_t *frame, size_t length) {
  memset(claim, 0, sizeof *claim);
  if (length < ETH_HLEN) return false;
  unsigned type = read16(frame + 2 * ETH_ALEN);
  if (type == ETH_P_ARP) return parse_arp(claim, frame, length);
  return type == ETH_P_IPV6 && parse_advertisement(claim, frame, length);
}

/* The address's last 32 bits stand for it in the kernel; here the whole of it is compared. */
static uint32_t word_of(const struct net_address *address) {
  uint32_t word;
  memcpy(&word, address->bytes + (address->family == AF_INET ? 0 : 12), sizeof word);
  return ntohl(word);
}

int claim_filter(int fd, int family, const struct net_address *addresses, size_t count) {
  enum { HEAD_MAX = 5 };
  struct sock_filter code[HEAD_MAX + CLAIM_FILTER_MAX + 2];
  unsigned short at = 0;
  size_t chosen = 0;
  for (size_t index = 0; index < count; index++) chosen += addresses[index].family == family;
  if (chosen > CLAIM_FILTER_MAX) return -E2BIG;
  if (family == AF_INET6) {
    code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, IPV6_AT + 6);
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NEXT_HEADER_ICMPV6, 0, 2);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ICMPV6_AT);
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NEIGHBOUR_ADVERTISEMENT, 1, 0);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
  }
  code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, family == AF_INET ? ETH_HLEN + 14 : TARGET_AT + 12);
  for (size_t index = 0; index < count; index++) {
    if (addresses[index].family != family) continue;
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word_of(&addresses[index]), (uint8_t)chosen, 0);
    chosen--;
  }
  code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
  code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
  struct sock_fprog program = {.len = at, .filter = code};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ? -errno : 0;
}

static int join_all_nodes(int fd, unsigned index) {
  struct packet_mreq request = {
      .mr_ifindex = (int)index, .mr_type = PACKET_MR_MULTICAST, .mr_alen = NET_MAC_BYTES, .mr_address = {0x33, 0x33, 0, 0, 0, 1}};
  return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) < 0 ? -errno : 0;
}

int claim_open(int family, unsigned index) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int on = 1, result = claim_filter(fd, family, NULL, 0);
  setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  if (result == 0 && family == AF_INET6) result = join_all_nodes(fd, index);
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(family == AF_INET ? ETH_P_ARP : ETH_P_IPV6), .sll_ifindex = (int)index};
  if (result == 0 && bind(fd, (struct sockaddr *)&address, sizeof address) < 0) result = -errno;
  if (result == 0) return fd;
  close(fd);
  return result;
}
