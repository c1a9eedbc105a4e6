// SPDX-License-Identifier: Apache-2.0
#include "steer/crypto_api.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace espalier::steer {
namespace {

std::string words_of(int error) { return std::generic_category().message(error); }

ErrorCode code_of(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return ErrorCode::permission;
    case ENOENT:
      return ErrorCode::not_found;
    case EBUSY:
      return ErrorCode::conflict;
    case EAGAIN:
    case EINTR:
    case ENOMEM:
      return ErrorCode::transient;
    default:
      return ErrorCode::unsupported;
  }
}

std::unexpected<Error> refused(std::string_view doing, const std::string& driver, int error) {
  if (error == EPERM)
    return fail(ErrorCode::permission,
                fmt::format("no permission to {} the kernel's crypto driver {}: run as root, or "
                            "with CAP_NET_ADMIN of the machine itself",
                            doing, driver));
  return fail(code_of(error), fmt::format("the kernel does not {} its crypto driver {}: {}", doing,
                                          driver, words_of(error)));
}

}  // namespace

Result<CryptoReply> CryptoApi::ask(CryptoRequest request) { return kernel_.exchange(request); }

Result<bool> CryptoApi::make(const std::string& driver, std::optional<std::uint32_t> priority) {
  const auto reply = ask({CryptoVerb::make, driver, priority});
  if (!reply) return std::unexpected(reply.error());
  if (reply->error == EEXIST) return false;
  if (reply->error != 0) return refused("make", driver, reply->error);
  return true;
}

Result<void> CryptoApi::set_priority(const std::string& driver, std::uint32_t priority) {
  const auto reply = ask({CryptoVerb::set_priority, driver, priority});
  if (!reply) return std::unexpected(reply.error());
  if (reply->error != 0) return refused("change the priority of", driver, reply->error);
  return {};
}

Result<void> CryptoApi::remove(const std::string& driver) {
  const auto reply = ask({CryptoVerb::remove, driver, {}});
  if (!reply) return std::unexpected(reply.error());
  if (reply->error == 0 || reply->error == ENOENT) return {};
  return refused("remove", driver, reply->error);
}

Result<Algorithm> CryptoApi::get(const std::string& driver) {
  auto reply = ask({CryptoVerb::get, driver, {}});
  if (!reply) return std::unexpected(reply.error());
  if (reply->error != 0) return refused("show", driver, reply->error);
  if (reply->algorithms.empty()) return refused("show", driver, ENOENT);
  return std::move(reply->algorithms.front());
}

Result<std::vector<Algorithm>> CryptoApi::dump() {
  auto reply = ask({CryptoVerb::dump, {}, {}});
  if (!reply) return std::unexpected(reply.error());
  if (reply->error != 0) return refused("list", "table", reply->error);
  return std::move(reply->algorithms);
}

}  // namespace espalier::steer
