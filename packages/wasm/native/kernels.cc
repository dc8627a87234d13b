// Direct 3-D convolution kernels in WebAssembly SIMD, channels last. Compiled twice: with relaxed SIMD (fused
// multiply-add) and with plain SIMD128. No libc: the caller lays out memory and passes byte offsets as pointers.
#include <wasm_simd128.h>

#define EXPORT(name) extern "C" __attribute__((export_name(name)))
typedef unsigned long size_t;

extern "C" void* memset(void* p, int value, size_t n) {
  unsigned char* c = static_cast<unsigned char*>(p);
  for (size_t i = 0; i < n; ++i) c[i] = static_cast<unsigned char>(value);
  return p;
}
extern "C" void* memcpy(void* to, const void* from, size_t n) {
  unsigned char* t = static_cast<unsigned char*>(to);
  const unsigned char* f = static_cast<const unsigned char*>(from);
  for (size_t i = 0; i < n; ++i) t[i] = f[i];
  return to;
}

namespace {

inline v128_t madd(v128_t a, v128_t b, v128_t c) {
#ifdef SEMISEG_RELAXED
  return wasm_f32x4_relaxed_madd(a, b, c);
#else
  return wasm_f32x4_add(wasm_f32x4_mul(a, b), c);
#endif
}

// X output positions of one row by V vectors of output channels.
template <int X, int V>
inline void tile(const float* input, const float* weights, float* output, int rows, const int* row_offsets, int taps,
                 int step, int weight_stride, int out_channels, int lanes) {
  v128_t acc[X][V];
  for (int x = 0; x < X; ++x)
    for (int v = 0; v < V; ++v) acc[x][v] = wasm_f32x4_const_splat(0);
  for (int r = 0; r < rows; ++r) {
    const float* in = input + row_offsets[r];
    const float* w = weights + r * taps * weight_stride;
    for (int t = 0; t < taps; ++t, w += weight_stride) {
      v128_t wv[V];
      for (int v = 0; v < V; ++v) wv[v] = wasm_v128_load(w + 4 * v);
      for (int x = 0; x < X; ++x) {
        const v128_t a = wasm_v128_load32_splat(in + x * step + t);
        for (int v = 0; v < V; ++v) acc[x][v] = madd(a, wv[v], acc[x][v]);
      }
    }
  }
  for (int x = 0; x < X; ++x) {
    float* out = output + x * out_channels;
    for (int v = 0; v < V; ++v) {
      const int left = lanes - 4 * v;
      if (left >= 4) {
        wasm_v128_store(out + 4 * v, acc[x][v]);
      } else {
        if (left > 0) out[4 * v] = wasm_f32x4_extract_lane(acc[x][v], 0);
        if (left > 1) out[4 * v + 1] = wasm_f32x4_extract_lane(acc[x][v], 1);
        if (left > 2) out[4 * v + 2] = wasm_f32x4_extract_lane(acc[x][v], 2);
      }
    }
  }
}

template <int V>
inline void row(const float* input, const float* weights, float* output, int width, int rows, const int* row_offsets,
                int taps, int step, int weight_stride, int out_channels, int lanes) {
  int x = 0;
  for (; x + 4 <= width; x += 4)
    tile<4, V>(input + x * step, weights, output + x * out_channels, rows, row_offsets, taps, step, weight_stride,
               out_channels, lanes);
  for (; x < width; ++x)
    tile<1, V>(input + x * step, weights, output + x * out_channels, rows, row_offsets, taps, step, weight_stride,
               out_channels, lanes);
}

// Adds x^T y over `width` positions of one row into an I x (4 V) tile of a filter gradient.
template <int I, int V>
inline void outer(const float* input, const float* dy, float* dw, int width, int step, int out_channels, int dw_stride) {
  v128_t acc[I][V];
  for (int i = 0; i < I; ++i)
    for (int v = 0; v < V; ++v) acc[i][v] = wasm_v128_load(dw + i * dw_stride + 4 * v);
  for (int x = 0; x < width; ++x) {
    v128_t g[V];
    for (int v = 0; v < V; ++v) g[v] = wasm_v128_load(dy + x * out_channels + 4 * v);
    for (int i = 0; i < I; ++i) {
      const v128_t a = wasm_v128_load32_splat(input + x * step + i);
      for (int v = 0; v < V; ++v) acc[i][v] = madd(a, g[v], acc[i][v]);
    }
  }
  for (int i = 0; i < I; ++i)
    for (int v = 0; v < V; ++v) wasm_v128_store(dw + i * dw_stride + 4 * v, acc[i][v]);
}

}  // namespace

// Zero-padded copy: [N,D,H,W,C] into [N,D',H',W',C] at offset (d0,h0,w0); channels grow from C to C' with zeros.
EXPORT("pad") void pad(const float* x, float* out, int n, int d, int h, int w, int c, int dp, int hp, int wp, int cp,
                       int d0, int h0, int w0, int stride) {
  const long total = static_cast<long>(n) * dp * hp * wp * cp;
  for (long i = 0; i + 4 <= total; i += 4) wasm_v128_store(out + i, wasm_f32x4_const_splat(0));
  for (long i = total & ~3L; i < total; ++i) out[i] = 0;
  for (int b = 0; b < n; ++b)
    for (int z = 0; z < d; ++z)
      for (int y = 0; y < h; ++y) {
        const float* from = x + ((static_cast<long>(b) * d + z) * h + y) * w * c;
        float* to = out + (((static_cast<long>(b) * dp + z * stride + d0) * hp + y * stride + h0) * wp + w0) * cp;
        if (stride == 1 && c == cp) {
          int i = 0;
          for (; i + 4 <= w * c; i += 4) wasm_v128_store(to + i, wasm_v128_load(from + i));
          for (; i < w * c; ++i) to[i] = from[i];
        } else {
          for (int i = 0; i < w; ++i)
            for (int k = 0; k < c; ++k) to[i * stride * cp + k] = from[i * c + k];
        }
      }
}

// Valid convolution of a padded input. weights: [kd*kh, kw*ci, co4] with co4 a multiple of 4 (zero-filled).
// offsets: scratch of kd*kh ints. Works on output rows [first, end) of N*Do*Ho, so that threads can share it.
EXPORT("conv3d") void conv3d(const float* x, const float* weights, float* out, int* offsets, int dp, int hp, int wp,
                             int ci, int d, int h, int w, int co, int kd, int kh, int kw, int stride, int first, int end) {
  const int rows = kd * kh, taps = kw * ci, co4 = (co + 3) & ~3, step = stride * ci;
  for (int z = 0; z < kd; ++z)
    for (int y = 0; y < kh; ++y) offsets[z * kh + y] = (z * hp + y) * wp * ci;
  for (int r = first; r < end; ++r) {
    const int y = r % h, z = (r / h) % d, b = r / (h * d);
    const float* in = x + ((static_cast<long>(b) * dp + z * stride) * hp + y * stride) * wp * ci;
    float* o = out + static_cast<long>(r) * w * co;
    int c = 0;
    for (; c + 4 < co; c += 8)
      row<2>(in, weights + c, o + c, w, rows, offsets, taps, step, co4, co, co - c);
    if (c < co) row<1>(in, weights + c, o + c, w, rows, offsets, taps, step, co4, co, co - c);
  }
}

// Filter gradient of a padded input (ci4, co4 multiples of 4). dw: [kd,kh,kw,ci4,co4], added to. Output rows
// [first, end). Partial sums are folded per row, which keeps rounding to that of blocked summation.
EXPORT("filter_gradient") void filter_gradient(const float* x, const float* dy, float* dw, int dp, int hp, int wp,
                                               int ci4, int d, int h, int w, int co4, int kd, int kh, int kw, int stride,
                                               int first, int end) {
  for (int r = first; r < end; ++r) {
    const int y = r % h, z = (r / h) % d, b = r / (h * d);
    const float* g = dy + static_cast<long>(r) * w * co4;
    for (int kz = 0; kz < kd; ++kz)
      for (int ky = 0; ky < kh; ++ky) {
        const float* in = x + ((static_cast<long>(b) * dp + z * stride + kz) * hp + y * stride + ky) * wp * ci4;
        for (int kx = 0; kx < kw; ++kx) {
          float* tile_dw = dw + static_cast<long>((kz * kh + ky) * kw + kx) * ci4 * co4;
          for (int i = 0; i < ci4; i += 4) {
            int c = 0;
            for (; c + 8 <= co4; c += 8)
              outer<4, 2>(in + kx * ci4 + i, g + c, tile_dw + i * co4 + c, w, stride * ci4, co4, co4);
            if (c < co4) outer<4, 1>(in + kx * ci4 + i, g + c, tile_dw + i * co4 + c, w, stride * ci4, co4, co4);
          }
        }
      }
  }
}

// Moves the pieces of a stride = kernel transposed convolution, [N,D,H,W,kd*kh*kw*C], to [N,D*kd,H*kh,W*kw,C].
EXPORT("interleave") void interleave(const float* pieces, float* out, int n, int d, int h, int w, int kd, int kh, int kw,
                                     int c) {
  const int k = kd * kh * kw;
  for (int b = 0; b < n; ++b)
    for (int z = 0; z < d * kd; ++z)
      for (int y = 0; y < h * kh; ++y) {
        float* to = out + ((static_cast<long>(b) * d * kd + z) * h * kh + y) * w * kw * c;
        const int tap = ((z % kd) * kh + y % kh) * kw;
        for (int x = 0; x < w; ++x) {
          const float* from = pieces + ((((static_cast<long>(b) * d + z / kd) * h + y / kh) * w + x) * k + tap) * c;
          float* target = to + x * kw * c;
          int i = 0;
          for (; i + 4 <= kw * c; i += 4) wasm_v128_store(target + i, wasm_v128_load(from + i));
          for (; i < kw * c; ++i) target[i] = from[i];
        }
      }
}
