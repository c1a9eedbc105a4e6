// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include "config/source_text.hpp"
#include "steer/changes.hpp"
#include "steer/kernel.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace espalier::steer {

// What we have changed in the kernel, on disk before it is changed, so that whoever comes after a
// crash can undo it. One process at a time has a journal. [control]
class Journal {
 public:
  // Makes the file's folder where it is missing. conflict: another process has it.
  static Result<Journal> open(const std::filesystem::path& file, Kernel& kernel);

  const Changes& changes() const noexcept { return changes_; }
  // On disk when this returns; with nothing to undo the file is removed.
  Result<void> record(Changes changes);

 private:
  Journal(std::filesystem::path file, config::Descriptor folder, config::Descriptor lock,
          std::string boot);
  Result<void> read();
  Result<void> write(const std::string& text) const;

  std::filesystem::path file_;
  config::Descriptor folder_;
  config::Descriptor lock_;
  std::string boot_;
  Changes changes_;
};

// What undo() did, in sentences, and what it left as it is, with why.
struct UndoReport {
  std::vector<std::string> done;
  std::vector<std::string> left;
};

// Undoes what the journal says, but for what somebody else has changed since. An instance that SAs
// still use stays, at rest, in the journal, for the next one. Fails only where the kernel or the
// journal cannot be read or written.
Result<UndoReport> undo(Journal& journal, Kernel& kernel);

}  // namespace espalier::steer
