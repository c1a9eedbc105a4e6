// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "session.hpp"

namespace espalier::aesni {

// Key expansion: what a session does once, so that its packets need not. Parameters have been
// checked. Nothing of a key stays behind on the stack. [control]

void set_up_gcm(IMB_MGR& manager, espalier_bytes key, GcmSession& session);

// The round keys of CBC or CTR, if it is not NULL, and the session's cipher group.
void set_up_aes(IMB_MGR& manager, const espalier_session_params& params, HmacSession& session);

// The three key schedules, in the order of encryption; ipsec-mb turns it round to decrypt.
void set_up_3des(espalier_bytes key, Des3Session& session);

// ipsec-mb has no MD5 to shorten a longer HMAC key with; ESP's has 16 bytes (RFC 2403).
inline constexpr std::size_t kMaxMd5Key = 64;

// The HMAC's inner and outer hash states, and the session's hash group.
void set_up_hmac(IMB_MGR& manager, const espalier_session_params& params, HmacSession& session);

}  // namespace espalier::aesni
