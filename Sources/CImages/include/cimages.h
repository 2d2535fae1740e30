// Pictures and compressed bytes: a narrow way to libjpeg, libpng and zlib, whose errors jump over C frames only.
#ifndef CIMAGES_H
#define CIMAGES_H

#include <stddef.h>
#include <stdint.h>

// Room for a reason, in the words of the library that gives it.
#define CI_MESSAGE 200

// Pixels [channels, height, width] of one byte; 1 channel (grey) or 3 (red, green, blue).
typedef struct {
    int channels, height, width;
    uint8_t *pixels;
} ci_picture;

// Each of these returns 0, or -1 with a reason in `message` and nothing to free. What they make is freed with `free`.

// A picture of more than `limit` pixels is refused before memory is taken for it. Alpha is dropped, 16 bits become the
// upper 8, a palette becomes colours, CMYK becomes red, green and blue.
int ci_decode_png(const uint8_t *bytes, size_t count, size_t limit, ci_picture *picture, char *message);
int ci_decode_jpeg(const uint8_t *bytes, size_t count, size_t limit, ci_picture *picture, char *message);

int ci_encode_png(const ci_picture *picture, uint8_t **bytes, size_t *count, char *message);
// `quality` is 1...100; colours are stored at half of the resolution, as libjpeg does where nobody asks otherwise.
int ci_encode_jpeg(const ci_picture *picture, int quality, uint8_t **bytes, size_t *count, char *message);

// Unpacks a gzip stream into at most `capacity` bytes of `target`. `filled` is how many there were, `is_whole` whether
// the stream and the file ended there.
int ci_unpack(
    const uint8_t *bytes, size_t count, uint8_t *target, size_t capacity, size_t *filled, int *is_whole, char *message);

#endif
