// SPDX-License-Identifier: Apache-2.0
#include <espalier/drop.hpp>

namespace espalier {

namespace {

struct Names {
  std::string_view ours;
  std::string_view kernels;  // net/xfrm/xfrm_proc.c
};

constexpr std::array<Names, kDropKinds> kNames{{
    {"in_truncated", "XfrmInHdrError"},
    {"in_oversized", ""},
    {"in_misaligned", "XfrmInStateProtoError"},
    {"in_no_state", "XfrmInNoStates"},
    {"in_sequence_zero", "XfrmInStateSeqError"},
    {"in_replay", "XfrmInStateSeqError"},
    {"in_bad_icv", "XfrmInStateProtoError"},
    {"in_bad_padding", "XfrmInStateProtoError"},
    {"in_next_header", "XfrmInStateModeError"},
    {"in_bad_inner", "XfrmInStateModeError"},
    {"in_selector", "XfrmInTmplMismatch"},
    {"in_dummy", ""},
    {"in_congestion", "XfrmInStateModeError"},
    {"in_expired", "XfrmInStateExpired"},
    {"out_not_ip", "XfrmOutError"},
    {"out_no_policy", "XfrmOutNoStates"},
    {"out_sequence_end", "XfrmOutStateSeqError"},
    {"out_too_long", "XfrmOutError"},
    {"out_too_big", "XfrmOutError"},
    {"out_transport", "XfrmOutError"},
    {"out_expired", "XfrmOutStateExpired"},
    {"device_failed", ""},
    {"device_lost", ""},
    {"queue_full", ""},
    {"send_failed", "XfrmOutError"},
}};

}  // namespace

std::string_view to_string(Drop drop) noexcept { return kNames[std::size_t(drop)].ours; }
std::string_view xfrm_name(Drop drop) noexcept { return kNames[std::size_t(drop)].kernels; }

}  // namespace espalier
