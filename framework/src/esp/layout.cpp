// SPDX-License-Identifier: Apache-2.0
#include "esp/layout.hpp"

namespace espalier::esp {

Result<EspLayout> layout_of(const Transform& transform) {
  const TransformInfo* info = transform_info(transform);
  if (info == nullptr) {
    return fail(ErrorCode::unsupported,
                to_string(transform) + " is not a transform that ESP can use");
  }
  return EspLayout{info->iv_bytes, info->block_bytes, transform.icv_bytes,
                   is_counter_mode(transform.cipher)};
}

}  // namespace espalier::esp
