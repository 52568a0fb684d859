#include "aten.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>

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
} // namespace tomocut
