#include "aten.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/autocast_mode.h>

namespace tomocut {
int32_t accelerator_device() noexcept {
  try {
    // Asks only what is compiled in and already loaded: it never initialises a device.
    const auto type = at::getAccelerator(false);
    if (!type.has_value() || !at::globalContext().getAcceleratorHooksInterface(*type).hasPrimaryContext(0)) {
      return -1;
    }
    return static_cast<int32_t>(at::accelerator::getDeviceIndex());
  } catch (...) {
    return -1;
  }
}

void set_accelerator_device(int32_t index) noexcept {
  try {
    at::accelerator::setDeviceIndex(static_cast<c10::DeviceIndex>(index));
  } catch (...) {
    // A device that vanished cannot be restored; the host's next call tells it.
  }
}

int32_t begin_autocast(bool cuda) noexcept {
  const auto type = cuda ? at::kCUDA : at::kCPU;
  try {
    const auto dtype = static_cast<int32_t>(at::autocast::get_autocast_dtype(type));
    const int32_t before = 2 * dtype + (at::autocast::is_autocast_enabled(type) ? 1 : 0);
    at::autocast::set_autocast_dtype(type, at::kBFloat16);
    at::autocast::set_autocast_enabled(type, true);
    at::autocast::increment_nesting();
    return before;
  } catch (...) {
    return -1; // Full precision then.
  }
}

void end_autocast(bool cuda, int32_t before) noexcept {
  if (before < 0) {
    return;
  }
  const auto type = cuda ? at::kCUDA : at::kCPU;
  try {
    // Weights that were cast are kept while any guard lives.
    if (at::autocast::decrement_nesting() == 0) {
      at::autocast::clear_cache();
    }
    at::autocast::set_autocast_enabled(type, before % 2 == 1);
    at::autocast::set_autocast_dtype(type, static_cast<at::ScalarType>(before / 2));
  } catch (...) {
    // It was there a moment ago.
  }
}
} // namespace tomocut
