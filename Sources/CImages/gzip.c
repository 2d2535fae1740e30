#include "cimages.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

int ci_unpack(
    const uint8_t *bytes, size_t count, uint8_t *target, size_t capacity, size_t *filled, int *is_whole, char *message) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    // 15 is the largest window; 16 more asks for the header and the check sum of gzip.
    if (inflateInit2(&stream, 15 + 16) != Z_OK) {
        strcpy(message, "there is not enough memory");
        return -1;
    }
    size_t taken = 0;
    *filled = 0;
    int state = Z_OK;
    // zlib counts in 32 bits.
    while (state == Z_OK) {
        uInt input = count - taken < UINT_MAX ? (uInt)(count - taken) : UINT_MAX;
        uInt room = capacity - *filled < UINT_MAX ? (uInt)(capacity - *filled) : UINT_MAX;
        stream.next_in = (Bytef *)(bytes + taken);
        stream.avail_in = input;
        stream.next_out = target + *filled;
        stream.avail_out = room;
        state = inflate(&stream, Z_NO_FLUSH);
        taken += input - stream.avail_in;
        *filled += room - stream.avail_out;
    }
    *is_whole = state == Z_STREAM_END && taken == count;
    // No progress (Z_BUF_ERROR) is the end of the file, or of the room: the caller knows how much it wanted.
    int is_good = state == Z_STREAM_END || state == Z_BUF_ERROR;
    if (!is_good) snprintf(message, CI_MESSAGE, "%s", stream.msg ? stream.msg : "this is no gzip file");
    inflateEnd(&stream);
    return is_good ? 0 : -1;
}
