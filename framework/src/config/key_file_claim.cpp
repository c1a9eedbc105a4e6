// SPDX-License-Identifier: Apache-2.0
#include "config/key_file_claim.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>

#include "config/durable.hpp"
#include "config/key_file_text.hpp"

namespace espalier {
namespace config {
namespace {

constexpr std::string_view kAgain =
    "one-time keys serve one run, because numbers used twice under one key lay the traffic open; "
    "make new ones with 'espalier keygen' and bring them to all ends";

constexpr std::string_view kToRead =
    "its keys were taken out; to decrypt a capture, keep a copy of the key file from before it was "
    "used";
constexpr std::string_view kTakenOut = ": used, and taken out\n";

std::filesystem::path used_name(const std::filesystem::path& file) {
  return file.parent_path() / (file.filename().string() + ".used");
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : ".";
}

// The file is not there: was it used, or never made?
std::unexpected<Error> absent(const Descriptor& folder, const std::filesystem::path& file,
                              std::string_view advice = kAgain) {
  struct stat status{};
  const std::filesystem::path used = used_name(file);
  if (::fstatat(folder.get(), used.filename().c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
    return fail(ErrorCode::conflict,
                fmt::format("the keys of '{}' were used on {} (the file is now '{}'): {}",
                            file.string(), utc(status.st_ctim.tv_sec), used.string(), advice));
  return fail(ErrorCode::not_found,
              fmt::format("there is no key file '{}': make it with 'espalier keygen', or say where "
                          "it is with --keys FOLDER",
                          file.string()));
}

// Opens the key file and locks it, so that no other process claims it in the same moment. The lock
// ends with the descriptor.
Result<Descriptor> open_locked(const Descriptor& folder, const std::filesystem::path& file) {
  auto opened = open_secret_file(folder, file, Owner::caller);
  if (!opened && opened.error().code == ErrorCode::not_found) return absent(folder, file);
  if (!opened) return opened;
  if (::flock(opened->get(), LOCK_EX | LOCK_NB) != 0)
    return fail(ErrorCode::conflict,
                fmt::format("another process is claiming the keys of '{}' right "
                            "now: {}",
                            file.string(), kAgain));
  // Renamed by another claim before the lock: what has the name now is another file.
  struct stat mine{}, named{};
  if (::fstat(opened->get(), &mine) != 0) return system_failure("read", file, errno);
  if (::fstatat(folder.get(), file.filename().c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
      mine.st_ino != named.st_ino || mine.st_dev != named.st_dev)
    return absent(folder, file);
  return opened;
}

Result<KeyFile> read_keys(const Descriptor& opened, const std::filesystem::path& file,
                          std::string_view site, SecretPool& secrets) {
  auto text = read_all(opened, file);
  if (!text) return std::unexpected(std::move(text.error()));
  if (text->view().starts_with("# one-time keys ") && text->view().ends_with(kTakenOut))
    return fail(ErrorCode::conflict, fmt::format("'{}' was used: {}", file.string(), kToRead));
  auto keys = read_key_file(*text, file, secrets);
  if (keys && !site.empty() && keys->site != site)
    return fail(
        ErrorCode::invalid,
        fmt::format("'{}' has the keys of site '{}', but this is site '{}': each site has a "
                    "file of its own, and both ends with one file would use the same keys "
                    "for different traffic",
                    file.string(), keys->site, site));
  return keys;
}

// Where claims are recorded: only its owner may be able to take a record out.
Result<Descriptor> open_state(const std::filesystem::path& state_directory) {
  if (auto made = make_folder(state_directory); !made)
    return fail(made.error().code,
                fmt::format("{}; used keys are recorded there: name another folder with --state, "
                            "or as 'state_directory'",
                            made.error().message));
  auto state = open_folder(state_directory);
  if (!state) return state;
  struct stat status{};
  if (::fstat(state->get(), &status) != 0) return system_failure("read", state_directory, errno);
  if (status.st_uid != ::geteuid() || (status.st_mode & 022) != 0)
    return fail(
        ErrorCode::permission,
        fmt::format("others can write to the state directory '{}' (owner {}, mode {:04o}): "
                    "chown it to user {} and chmod 700",
                    state_directory.string(), status.st_uid, status.st_mode & 07777, ::geteuid()));
  return state;
}

// When a claim was recorded, in seconds since 1970.
std::optional<std::int64_t> recorded(const Descriptor& state,
                                     const std::filesystem::path& record_file) {
  struct stat status{};
  if (::fstatat(state.get(), record_file.filename().c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return std::nullopt;
  return status.st_mtim.tv_sec;
}

std::unexpected<Error> claimed_before(const std::filesystem::path& file,
                                      const std::filesystem::path& record_file,
                                      std::string_view when) {
  return fail(ErrorCode::conflict,
              fmt::format("the keys of '{}' were claimed{} already (recorded in '{}'): {}",
                          file.string(), when, record_file.string(), kAgain));
}

// A claim in the state directory: the one place where two runs meet. Exactly one makes the record.
Result<Descriptor> make_record(const Descriptor& state, const std::filesystem::path& record_file,
                               const std::filesystem::path& file, const KeyFile& keys) {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  auto made = create_file(state, record_file,
                          fmt::format("{} site {} claimed {} by process {}\n", file.string(),
                                      keys.site, utc(now), ::getpid()));
  if (made || made.error().code != ErrorCode::conflict) return made;
  const auto when = recorded(state, record_file);
  return claimed_before(file, record_file, when ? " on " + utc(*when) : "");
}

// Before anything is recorded: a folder in which the file cannot be renamed would burn the keys.
Result<void> check_writable(const Descriptor& folder, const std::filesystem::path& file) {
  if (::faccessat(folder.get(), ".", W_OK | X_OK, AT_EACCESS) == 0) return {};
  return system_failure("rename files in", folder_of(file), errno);
}

// Takes the keys out of a file that is claimed: nobody may need them any more. What cannot be
// overwritten stays unusable by its record, so that a failure here is none of the claim.
void scrub(const Descriptor& folder, const std::filesystem::path& used, std::string_view id) {
  const Descriptor file(
      ::openat(folder.get(), used.filename().c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) return;
  const std::string note = fmt::format("# one-time keys {}{}", id, kTakenOut);
  std::string blank(static_cast<std::size_t>(status.st_size), '#');
  if (::pwrite(file.get(), blank.data(), blank.size(), 0) < 0 || ::fsync(file.get()) != 0) return;
  if (::ftruncate(file.get(), 0) != 0) return;
  if (::pwrite(file.get(), note.data(), note.size(), 0) < 0) return;
  static_cast<void>(::fsync(file.get()));
}

}  // namespace

Result<const OneTimeKeys*> find_keys(const std::vector<OneTimeKeys>& keys,
                                     const std::filesystem::path& file, std::string_view tunnel,
                                     Direction direction, const Transform& transform) {
  const std::pair wanted(tunnel, direction);
  const auto found = std::ranges::lower_bound(keys, wanted, {}, sa_of);
  constexpr std::string_view kAdvice =
      "Make new key files with 'espalier keygen' from the configuration that is in use at both "
      "ends.";
  if (found == keys.end() || sa_of(*found) != wanted)
    return fail(ErrorCode::not_found,
                fmt::format("The key file '{}' has no keys for SA '{}/{}'. {}", file.native(),
                            tunnel, direction == Direction::outbound ? "out" : "in", kAdvice));
  if (found->transform != transform)
    return fail(ErrorCode::invalid,
                fmt::format("The key file '{}' was made for the transform {} of tunnel '{}', but "
                            "the configuration says {}. {}",
                            file.native(), to_string(found->transform), tunnel,
                            to_string(transform), kAdvice));
  return &*found;
}

Result<KeyFileClaim> KeyFileClaim::prepare(const std::filesystem::path& file,
                                           const std::filesystem::path& state_directory,
                                           SecretPool& secrets, std::string_view site) {
  KeyFileClaim claim;
  claim.file_ = file;
  auto folder = open_folder(folder_of(file));
  if (!folder) return std::unexpected(folder.error());
  claim.folder_ = std::move(*folder);
  auto locked = open_locked(claim.folder_, file);
  if (!locked) return std::unexpected(locked.error());
  claim.locked_ = std::move(*locked);
  auto keys = read_keys(claim.locked_, file, site, secrets);
  if (!keys) return std::unexpected(std::move(keys.error()));
  claim.keys_ = std::move(*keys);
  if (auto writable = check_writable(claim.folder_, file); !writable)
    return std::unexpected(writable.error());
  auto state = open_state(state_directory);
  if (!state) return std::unexpected(state.error());
  claim.state_ = std::move(*state);
  claim.record_ = state_directory / ("claimed-" + claim.keys_.id);
  if (const auto when = recorded(claim.state_, claim.record_))
    return claimed_before(file, claim.record_, " on " + utc(*when));
  return claim;
}

Result<void> KeyFileClaim::check(std::string_view tunnel, Direction direction,
                                 const Transform& transform) const {
  const auto found = find_keys(keys_.sas, file_, tunnel, direction, transform);
  if (!found) return std::unexpected(found.error());
  return {};
}

Result<std::vector<OneTimeKeys>> KeyFileClaim::take() && {
  return take_in_steps([](ClaimStep) {});
}

Result<std::vector<OneTimeKeys>> KeyFileClaim::take_in_steps(
    const std::function<void(ClaimStep)>& after) {
  const std::filesystem::path state_directory = record_.parent_path();
  const auto made = make_record(state_, record_, file_, keys_);
  if (!made) return std::unexpected(made.error());
  after(ClaimStep::recorded);
  // Until the file has its new name nothing has used the keys, nor will: a record that could not be
  // written whole, or that stands alone, goes again.
  if (auto synced = sync(*made, record_); !synced) {
    remove_file(state_, record_);
    return std::unexpected(synced.error());
  }
  after(ClaimStep::record_synced);
  if (auto synced = sync(state_, state_directory); !synced) return std::unexpected(synced.error());
  after(ClaimStep::state_synced);

  if (::renameat(folder_.get(), file_.filename().c_str(), folder_.get(),
                 used_name(file_).filename().c_str()) != 0) {
    const int reason = errno;
    remove_file(state_, record_);
    return system_failure("rename", file_, reason);
  }
  after(ClaimStep::renamed);
  if (auto synced = sync(folder_, folder_of(file_)); !synced)
    return std::unexpected(synced.error());
  after(ClaimStep::folder_synced);
  scrub(folder_, used_name(file_), keys_.id);
  return std::move(keys_.sas);
}

Result<std::vector<OneTimeKeys>> claim_in_steps(const std::filesystem::path& file,
                                                const std::filesystem::path& state_directory,
                                                SecretPool& secrets, std::string_view site,
                                                const std::function<void(ClaimStep)>& after) {
  auto claim = KeyFileClaim::prepare(file, state_directory, secrets, site);
  if (!claim) return std::unexpected(std::move(claim.error()));
  after(ClaimStep::read);
  return claim->take_in_steps(after);
}

Result<std::vector<OneTimeKeys>> read_inbound(const std::filesystem::path& file,
                                              SecretPool& secrets, std::string_view site) {
  const auto folder = open_folder(folder_of(file));
  if (!folder) return std::unexpected(folder.error());
  const auto opened = open_secret_file(*folder, file, Owner::caller);
  if (!opened && opened.error().code == ErrorCode::not_found) return absent(*folder, file, kToRead);
  if (!opened) return std::unexpected(opened.error());
  auto keys = read_keys(*opened, file, site, secrets);
  if (!keys) return std::unexpected(std::move(keys.error()));
  std::erase_if(keys->sas, [](const auto& sa) { return sa.direction != Direction::inbound; });
  return std::move(keys->sas);
}

}  // namespace config

Result<std::vector<OneTimeKeys>> read_inbound_keys(const std::filesystem::path& file,
                                                   SecretPool& secrets, std::string_view site) {
  return config::read_inbound(file, secrets, site);
}

Result<std::vector<OneTimeKeys>> claim_key_file(const std::filesystem::path& file,
                                                const std::filesystem::path& state_directory,
                                                SecretPool& secrets, std::string_view site) {
  return config::claim_in_steps(file, state_directory, secrets, site, [](config::ClaimStep) {});
}

}  // namespace espalier
