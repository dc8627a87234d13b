// 3x3x3 convolutions by Winograd's minimal filtering F(2x2, 3x3) over height and width, summed over the three depths:
// 16 multiplications where the definition has 36 (Lavin and Gray, "Fast algorithms for convolutional neural networks",
// CVPR 2016).
#pragma once
#include "kernels.h"

namespace semiseg {
namespace SEMISEG_TARGET {

// 3x3x3 of stride 1 with channels that fill vectors, and maps large enough to pay for transforming the filter.
bool winograd_covers(const ConvShape&, int64_t least_channels);
void winograd_forward(const ConvShape&, const float* x, const float* filter, float* y, const Parallel&);
// The same convolution with the filter mirrored and its channels swapped: filter is [3, 3, 3, co, ci].
void winograd_mirrored(const ConvShape&, const float* x, const float* filter, float* y, const Parallel&);
void winograd_filter_gradient(const ConvShape&, const float* x, const float* dy, float* df, const Parallel&);

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
