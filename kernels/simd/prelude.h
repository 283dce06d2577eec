// What the *-inl.h files of this folder need, included before a target region begins (see target.h). The
// intrinsics themselves are included by whoever opens the region.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/quantise.h"
#include "kernels/roofline.h"
#include "kernels/scalar.h"
#include "kernels/scalar_math.h"
#include "kernels/scratch.h"
#include "kernels/simd/target.h"
#include "kernels/tables.h"
#include "kernels/tile_layout.h"
