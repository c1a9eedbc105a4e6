// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/esp_op.hpp>

#include <array>
#include <cstdint>
#include <memory>

#include "library.hpp"

namespace espalier::openssl {

// A keyed transform. Its contexts are made and keyed here once; a packet only changes the IV.
// Opened and closed on the control thread, used by one queue thread at a time. OpenSSL 3.0
// allocates nothing per packet for ciphers and AEADs, and Hmac nothing for what EVP would.
class Session {
 public:
  virtual ~Session() = default;
  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Completes one op and gives its status. [queue]
  virtual std::uint16_t run(const espalier_op& op) noexcept = 0;
};

sdk::Result<std::unique_ptr<Session>> open_session(const Library& library,
                                                   const espalier_session_params& params);

}  // namespace espalier::openssl
