// SPDX-License-Identifier: Apache-2.0
#include "io/nftables.hpp"

#include "io/os_error.hpp"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <nftables/libnftables.h>

#include <arpa/inet.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace espalier::io {
namespace {

std::unexpected<Error> refused(ErrorCode code, std::string_view words) {
  return fail(code, fmt::format("The kernel refuses nftables rules: {}. They need root or "
                                "CAP_NET_ADMIN, and the kernel module nf_tables ('modprobe "
                                "nf_tables').",
                                words));
}

// "netlink: Error: cache initialization failed: Operation not permitted" and the like: the end of
// the first line says it.
std::unexpected<Error> refused(std::string_view said) {
  const std::string_view line = said.substr(0, said.find('\n'));
  const bool permission = line.contains("Operation not permitted");
  return refused(permission ? ErrorCode::permission : ErrorCode::io,
                 line.substr(line.starts_with("netlink: ") ? 9 : 0));
}

}  // namespace

void NftContextDeleter::operator()(nft_ctx* context) const noexcept { nft_ctx_free(context); }

// libnftables ends the process where there is no such socket: it is asked for first.
Result<Nftables> Nftables::open() {
  Nftables made;
  made.socket_ = Descriptor(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!made.socket_) return refused(ErrorCode::io, words_of(errno));
  made.context_.reset(nft_ctx_new(NFT_CTX_DEFAULT));
  if (made.context_ == nullptr || nft_ctx_buffer_output(made.context_.get()) != 0 ||
      nft_ctx_buffer_error(made.context_.get()) != 0)
    return refused(ErrorCode::io, "libnftables has no memory");
  return made;
}

Result<void> Nftables::run(const std::string& text) {
  const int failed = nft_run_cmd_from_buffer(context_.get(), text.c_str());
  const std::string said = nft_ctx_get_error_buffer(context_.get());
  if (failed != 0) return refused(said);
  return {};
}

Result<bool> Nftables::has_table(const std::string& name) {
  if (auto listed = run("list tables inet\n"); !listed) return std::unexpected(listed.error());
  const std::string tables = nft_ctx_get_output_buffer(context_.get());
  return tables.contains(fmt::format("table inet {}\n", name));
}

Result<std::string> Nftables::rules_of(const std::string& table) {
  const unsigned before = nft_ctx_output_get_flags(context_.get());
  nft_ctx_output_set_flags(context_.get(),
                           before | NFT_CTX_OUTPUT_TERSE | NFT_CTX_OUTPUT_STATELESS);
  const auto listed = run("list ruleset inet\n");
  nft_ctx_output_set_flags(context_.get(), before);
  if (!listed) return std::unexpected(listed.error());
  const std::string all = nft_ctx_get_output_buffer(context_.get());
  const auto start = all.find(fmt::format("table inet {} {{\n", table));
  if (start == all.npos) return "";
  return all.substr(start, all.find("\n}\n", start) - start);
}

// libnftables has no call for it.
Result<std::uint32_t> Nftables::generation() {
  struct {
    nlmsghdr header;
    nfgenmsg family;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.family.version = NFNETLINK_V0;
  alignas(nlmsghdr) std::array<std::uint8_t, 512> buffer;
  if (::send(socket_.get(), &request, sizeof request, 0) < 0)
    return refused(ErrorCode::io, words_of(errno));
  const auto size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0) return refused(ErrorCode::io, words_of(errno));
  auto* const reply = reinterpret_cast<nlmsghdr*>(buffer.data());
  std::array<nlattr*, NFTA_GEN_MAX + 1> said{};
  if (nlmsg_ok(reply, static_cast<int>(size)) == 0 ||
      reply->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN) ||
      nlmsg_parse(reply, sizeof(nfgenmsg), said.data(), NFTA_GEN_MAX, nullptr) < 0 ||
      said[NFTA_GEN_ID] == nullptr)
    return refused(ErrorCode::io, "they have no generation");
  return ntohl(nla_get_u32(said[NFTA_GEN_ID]));
}

}  // namespace espalier::io
