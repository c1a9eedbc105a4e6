// SPDX-License-Identifier: Apache-2.0
#include "steer/journal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "config/durable.hpp"
#include "steer/crypto_api.hpp"

#include <fmt/format.h>

namespace espalier::steer {
namespace {

using config::Descriptor;
using std::filesystem::path;

Result<std::vector<Mask>> masks_of(const Changes& changes, Kernel& kernel) {
  std::vector<Mask> masks;
  for (const MaskChange& each : changes.masks) {
    auto value = kernel.setting(each.file);
    if (!value && value.error().code != ErrorCode::not_found) return std::unexpected(value.error());
    if (value) masks.push_back({each.file, std::move(*value)});
  }
  return masks;
}

}  // namespace

Journal::Journal(path file, Descriptor folder, Descriptor lock, std::string boot)
    : file_(std::move(file)),
      folder_(std::move(folder)),
      lock_(std::move(lock)),
      boot_(std::move(boot)) {}

Result<Journal> Journal::open(const path& file, Kernel& kernel) {
  auto boot = kernel.boot();
  if (!boot) return std::unexpected(boot.error());
  const path parent = file.has_parent_path() ? file.parent_path() : path(".");
  if (auto made = config::make_folder(parent); !made) return std::unexpected(made.error());
  auto folder = config::open_folder(parent);
  if (!folder) return std::unexpected(folder.error());
  // Beside the file, which is another one after each record(). Ends with the process.
  const path lock_file = file.string() + ".lock";
  Descriptor lock(::openat(folder->get(), lock_file.filename().c_str(),
                           O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock) return config::system_failure("open", lock_file, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(ErrorCode::conflict,
                fmt::format("another process changes the kernel's crypto drivers, with the journal "
                            "'{}': wait until it has ended, or stop it",
                            file.string()));
  Journal journal(file, std::move(*folder), std::move(lock), std::move(*boot));
  if (auto read = journal.read(); !read) return std::unexpected(read.error());
  return journal;
}

Result<void> Journal::read() {
  const Descriptor opened(
      ::openat(folder_.get(), file_.filename().c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!opened && errno == ENOENT) return {};
  if (!opened) return config::system_failure("read", file_, errno);
  const auto text = config::read_all(opened, file_);
  if (!text) return std::unexpected(text.error());
  auto changes = changes_from_json(text->view(), boot_);
  if (!changes)
    return fail(
        ErrorCode::invalid,
        fmt::format("what was changed in the kernel is not known: '{}' cannot be understood "
                    "({}); restart the machine, or undo it by hand, and remove the file",
                    file_.string(), changes.error().message));
  changes_ = std::move(*changes);
  return {};
}

Result<void> Journal::record(Changes changes) {
  if (changes.empty()) {
    if (::unlinkat(folder_.get(), file_.filename().c_str(), 0) != 0 && errno != ENOENT)
      return config::system_failure("remove", file_, errno);
  } else if (auto written = write(to_json(changes, boot_)); !written) {
    return written;
  }
  if (auto synced = config::sync(folder_, file_); !synced) return synced;
  changes_ = std::move(changes);
  return {};
}

Result<void> Journal::write(const std::string& text) const {
  const path fresh = file_.string() + ".new";
  (void)::unlinkat(folder_.get(), fresh.filename().c_str(), 0);  // of one that was killed
  auto created = config::create_file(folder_, fresh, text);
  if (!created) return std::unexpected(created.error());
  if (auto synced = config::sync(*created, fresh); !synced) return synced;
  if (::renameat(folder_.get(), fresh.filename().c_str(), folder_.get(),
                 file_.filename().c_str()) != 0)
    return config::system_failure("write", file_, errno);
  return {};
}

Result<UndoReport> undo(Journal& journal, Kernel& kernel) {
  UndoReport report;
  if (journal.changes().empty()) return report;
  const auto now = kernel.registered();
  if (!now) return std::unexpected(now.error());
  const auto masks = masks_of(journal.changes(), kernel);
  if (!masks) return std::unexpected(masks.error());
  const Undo plan = undo_of(journal.changes(), *now, *masks);
  report.left = plan.left;
  Changes remains;
  CryptoApi api(kernel);
  for (const Priority& each : plan.priorities) {
    if (auto set = api.set_priority(each.driver, each.value)) {
      report.done.push_back(fmt::format("the priority of {} is {} again", each.driver, each.value));
    } else if (set.error().code != ErrorCode::not_found) {
      report.left.push_back(set.error().message);
      remains.priorities.push_back(
          *std::ranges::find(journal.changes().priorities, each.driver, &PriorityChange::driver));
    }
  }
  for (const std::string& each : plan.remove) {
    if (auto removed = api.remove(each)) {
      report.done.push_back(fmt::format("{} is removed", each));
    } else {
      report.left.push_back(removed.error().code == ErrorCode::conflict
                                ? fmt::format("{} stays, at rest, until its SAs have gone", each)
                                : removed.error().message);
      remains.made.push_back(each);
    }
  }
  for (const Mask& each : plan.masks) {
    if (auto set = kernel.change_setting(each.file, each.value)) {
      report.done.push_back(fmt::format("{} holds {} again", each.file.string(), each.value));
    } else {
      report.left.push_back(set.error().message);
      remains.masks.push_back(
          *std::ranges::find(journal.changes().masks, each.file, &MaskChange::file));
    }
  }
  if (auto recorded = journal.record(std::move(remains)); !recorded)
    return std::unexpected(recorded.error());
  return report;
}

}  // namespace espalier::steer
