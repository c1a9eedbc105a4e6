// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <espalier/device.hpp>
#include <load/host_services.hpp>
#include <load/status.hpp>

#include <algorithm>
#include <span>
#include <utility>

namespace espalier {
namespace {

espalier_bytes bytes_of(const SecretBytes& secret) noexcept {
  return {secret.view().data(), secret.size()};
}

Result<void> check_length(const SaSpec& sa, std::string_view what, std::size_t is,
                          std::size_t should) {
  if (is == should) return {};
  return fail(ErrorCode::invalid, fmt::format("the {} of SA '{}' has {} bytes, {} needs {}", what,
                                              sa.name, is, to_string(sa.transform), should));
}

// With two equal parts in a row 3DES is single DES, and such keys MUST be rejected (RFC 2451,
// section 2.3). The lowest bit of each byte is parity.
bool is_single_des(std::span<const std::uint8_t> key) noexcept {
  constexpr std::size_t part = 8;
  const auto same = [](std::uint8_t a, std::uint8_t b) { return ((a ^ b) & 0xfe) == 0; };
  return std::ranges::equal(key.first(part), key.subspan(part, part), same) ||
         std::ranges::equal(key.subspan(part, part), key.last(part), same);
}

// A device is never given keys of a wrong length: what it would do with them is anyone's guess.
Result<void> check_keys(const SaSpec& sa, const SaKeys& keys) {
  const TransformInfo* const info = transform_info(sa.transform);
  if (info == nullptr)
    return fail(ErrorCode::unsupported, fmt::format("SA '{}' has an unknown transform, {}", sa.name,
                                                    to_string(sa.transform)));
  if (auto ok = check_length(sa, "cipher key", keys.cipher.size(), info->cipher_key_bytes); !ok)
    return ok;
  if (sa.transform.cipher == Cipher::des3_cbc && is_single_des(keys.cipher.view()))
    return fail(
        ErrorCode::invalid,
        fmt::format("the cipher key of SA '{}' makes 3DES single DES: two of its three parts "
                    "in a row are equal, which RFC 2451 forbids; take random ones",
                    sa.name));
  if (auto ok = check_length(sa, "salt", keys.salt.size(), info->salt_bytes); !ok) return ok;
  return check_length(sa, "integrity key", keys.integrity.size(), info->integrity_key_bytes);
}

std::string label(const OpenDevice& device) {
  return fmt::format("{}/{}", device.backend(), device.info().name);
}

}  // namespace

Session::Session(std::shared_ptr<OpenDevice> device, std::uint64_t handle) noexcept
    : device_(std::move(device)), handle_(handle) {}

Session::~Session() {
  if (device_) device_->table().session_close(device_->handle(), handle_);
}

Session::Session(Session&& other) noexcept
    : device_(std::move(other.device_)), handle_(std::exchange(other.handle_, 0)) {}

Session& Session::operator=(Session&& other) noexcept {
  Session old(std::move(other));
  std::swap(device_, old.device_);
  std::swap(handle_, old.handle_);
  return *this;
}

Queue::Queue(std::shared_ptr<OpenDevice> device, void* handle) noexcept
    : device_(std::move(device)),
      table_(&device_->table()),
      handle_(handle),
      asynchronous_(device_->info().asynchronous) {}

Queue::~Queue() { table_->queue_close(handle_); }

std::uint32_t Queue::submit(std::span<espalier_op* const> ops) noexcept {
  const auto n = static_cast<std::uint32_t>(ops.size());
  return std::min(n, table_->submit(handle_, ops.data(), n));
}

std::uint32_t Queue::poll(std::span<espalier_op*> ops) noexcept {
  const auto n = static_cast<std::uint32_t>(ops.size());
  return std::min(n, table_->poll(handle_, ops.data(), n));
}

Result<void> Queue::quiesce(std::chrono::milliseconds limit) noexcept {
  if (!asynchronous_) return {};  // what is synchronous holds nothing between calls
  const auto nanoseconds = std::chrono::nanoseconds(std::max(limit, limit.zero()));
  const std::uint64_t deadline =
      load::monotonic_ns() + static_cast<std::uint64_t>(nanoseconds.count());
  const espalier_status status = table_->queue_quiesce(handle_, deadline);
  if (status == ESPALIER_OK) return {};
  return std::unexpected(error_from(
      status, fmt::format("device {} did not stop using a queue's buffers within {} ms; they must "
                          "not be used again",
                          label(*device_), limit.count())));
}

OpenDevice::OpenDevice(std::string backend, Device info, const espalier_userspace& table,
                       void* handle, std::shared_ptr<void> keeper) noexcept
    : backend_(std::move(backend)),
      info_(std::move(info)),
      table_(&table),
      handle_(handle),
      keeper_(std::move(keeper)) {}

OpenDevice::~OpenDevice() { table_->device_close(handle_); }

Result<Session> OpenDevice::open_session(const SaSpec& sa, const SaKeys& keys) {
  if (auto ok = check_keys(sa, keys); !ok) return std::unexpected(ok.error());
  espalier_session_params params{};
  params.struct_size = sizeof(params);
  params.cipher = static_cast<std::uint16_t>(sa.transform.cipher);
  params.integrity = static_cast<std::uint16_t>(sa.transform.integrity);
  params.direction = static_cast<std::uint32_t>(sa.direction);
  params.icv_bytes = sa.transform.icv_bytes;
  params.esn = sa.esn ? 1 : 0;
  params.cipher_key = bytes_of(keys.cipher);
  params.salt = bytes_of(keys.salt);
  params.integrity_key = bytes_of(keys.integrity);

  load::Words words;
  std::uint64_t session = 0;
  const espalier_status status = table_->session_open(handle_, &params, &session, words.message());
  if (status != ESPALIER_OK)
    return std::unexpected(load::refused(
        status, fmt::format("open a session for SA '{}' on {}", sa.name, label(*this)), words));
  return Session(shared_from_this(), session);
}

Result<std::unique_ptr<Queue>> OpenDevice::open_queue() {
  load::Words words;
  void* queue = nullptr;
  const espalier_status status = table_->queue_open(handle_, &queue, words.message());
  if (status != ESPALIER_OK)
    return std::unexpected(
        load::refused(status, fmt::format("open a queue of {}", label(*this)), words));
  if (queue == nullptr)
    return fail(ErrorCode::lost, fmt::format("cannot open a queue of {}: its plugin says that it "
                                             "did, but gave no handle (a bug in the plugin)",
                                             label(*this)));
  return std::make_unique<Queue>(shared_from_this(), queue);
}

Result<std::uint64_t> OpenDevice::attach(std::span<std::uint8_t> memory) {
  if (!info_.needs_dma) return std::uint64_t{0};
  load::Words words;
  std::uint64_t iova = 0;
  const espalier_status status =
      table_->mem_attach(handle_, memory.data(), memory.size(), &iova, words.message());
  if (status == ESPALIER_OK) return iova;
  return std::unexpected(load::refused(
      status,
      fmt::format("make {} bytes of packet memory known to {}", memory.size(), label(*this)),
      words));
}

void OpenDevice::detach(std::span<std::uint8_t> memory) noexcept {
  if (info_.needs_dma) table_->mem_detach(handle_, memory.data(), memory.size());
}

}  // namespace espalier
