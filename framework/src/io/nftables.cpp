// SPDX-License-Identifier: Apache-2.0
#include "io/nftables.hpp"

#include "io/descriptor.hpp"
#include "io/os_error.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <nftables/libnftables.h>

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
  const Descriptor probe(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!probe) return refused(ErrorCode::io, words_of(errno));
  Nftables made;
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
  const auto there = has_table(table);
  if (!there) return std::unexpected(there.error());
  if (!*there) return "";
  const unsigned before = nft_ctx_output_get_flags(context_.get());
  nft_ctx_output_set_flags(context_.get(), before | NFT_CTX_OUTPUT_TERSE);
  const auto listed = run(fmt::format("list table inet {}\n", table));
  nft_ctx_output_set_flags(context_.get(), before);
  if (!listed) return std::unexpected(listed.error());
  return nft_ctx_get_output_buffer(context_.get());
}

}  // namespace espalier::io
