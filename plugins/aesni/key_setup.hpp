// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "session.hpp"

namespace espalier::aesni {

// Key expansion: what a session does once, so that its packets need not. Parameters have been
// checked. Nothing of a key stays behind on the stack. [control]

void set_up_gcm(IMB_MGR& manager, espalier_bytes key, GcmSession& session);

// The round keys of CBC or CTR, and the session's cipher group.
void set_up_cipher(IMB_MGR& manager, const espalier_session_params& params, HmacSession& session);

// The HMAC's inner and outer hash states, and the session's hash group.
void set_up_hmac(IMB_MGR& manager, const espalier_session_params& params, HmacSession& session);

}  // namespace espalier::aesni
