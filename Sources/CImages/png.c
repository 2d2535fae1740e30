#include "cimages.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

// Errors jump back to where png_jmpbuf was set. All that must survive the jump lies in a frame above that one.

static void fail(png_structp png, png_const_charp reason) {
    snprintf(png_get_error_ptr(png), CI_MESSAGE, "%s", reason);
    png_longjmp(png, 1);
}

// Damage in the picture itself is an error; libpng warns of texts and profiles only.
static void warn(png_structp png, png_const_charp reason) {
    (void)png, (void)reason;
}

typedef struct {
    png_structp png;
    png_infop info;
    const uint8_t *bytes;
    size_t count, offset;
    uint8_t *rows, **starts;
    char *message;
} png_reader;

static void take(png_structp png, png_bytep target, size_t count) {
    png_reader *reader = png_get_io_ptr(png);
    if (count > reader->count - reader->offset) png_error(png, "the file ends too early");
    memcpy(target, reader->bytes + reader->offset, count);
    reader->offset += count;
}

static int read_png(png_reader *reader, size_t limit, ci_picture *picture) {
    png_structp png = reader->png;
    png_infop info = reader->info;
    if (setjmp(png_jmpbuf(png))) return -1;
    png_set_read_fn(png, reader, take);
    png_read_info(png, info);
    size_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    if (width * height > limit) {
        snprintf(reader->message, CI_MESSAGE, "%zu x %zu pixels are too many", width, height);
        return -1;
    }
    png_set_strip_16(png);
    if (png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (png_get_color_type(png, info) == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);

    size_t channels = png_get_channels(png, info), size = width * height;
    // Each comes from the library as it was asked for; only memory can be lacking.
    reader->rows = malloc(size * channels);
    reader->starts = malloc(height * sizeof *reader->starts);
    picture->pixels = malloc(size * channels);
    if (!reader->rows || !reader->starts || !picture->pixels) png_error(png, "there is not enough memory");
    for (size_t y = 0; y < height; y++) reader->starts[y] = reader->rows + y * width * channels;
    png_read_image(png, reader->starts);
    png_read_end(png, NULL);

    picture->channels = (int)channels;
    picture->height = (int)height;
    picture->width = (int)width;
    for (size_t channel = 0; channel < channels; channel++) {
        uint8_t *plane = picture->pixels + channel * size;
        for (size_t place = 0; place < size; place++) plane[place] = reader->rows[place * channels + channel];
    }
    return 0;
}

int ci_decode_png(const uint8_t *bytes, size_t count, size_t limit, ci_picture *picture, char *message) {
    png_reader reader = {.bytes = bytes, .count = count, .message = message};
    memset(picture, 0, sizeof *picture);
    strcpy(message, "there is not enough memory");
    int result = -1;
    reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, fail, warn);
    if (reader.png) reader.info = png_create_info_struct(reader.png);
    if (reader.info) result = read_png(&reader, limit, picture);
    png_destroy_read_struct(&reader.png, &reader.info, NULL);
    free(reader.rows);
    free(reader.starts);
    if (result != 0) {
        free(picture->pixels);
        picture->pixels = NULL;
    }
    return result;
}

typedef struct {
    png_structp png;
    png_infop info;
    uint8_t *bytes, *row;
    size_t count, capacity;
} png_writer;

static void append(png_structp png, png_bytep bytes, size_t count) {
    png_writer *writer = png_get_io_ptr(png);
    if (writer->count + count > writer->capacity) {
        size_t capacity = 2 * (writer->count + count);
        uint8_t *grown = realloc(writer->bytes, capacity);
        if (!grown) png_error(png, "there is not enough memory");
        writer->bytes = grown;
        writer->capacity = capacity;
    }
    memcpy(writer->bytes + writer->count, bytes, count);
    writer->count += count;
}

static void finish(png_structp png) {
    (void)png;
}

static int write_png(png_writer *writer, const ci_picture *picture) {
    png_structp png = writer->png;
    if (setjmp(png_jmpbuf(png))) return -1;
    png_set_write_fn(png, writer, append, finish);
    png_set_IHDR(
        png, writer->info, (png_uint_32)picture->width, (png_uint_32)picture->height, 8,
        picture->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
        PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, writer->info);
    size_t width = (size_t)picture->width, size = width * (size_t)picture->height, channels = (size_t)picture->channels;
    writer->row = malloc(width * channels);
    if (!writer->row) png_error(png, "there is not enough memory");
    for (size_t start = 0; start < size; start += width) {
        for (size_t channel = 0; channel < channels; channel++) {
            const uint8_t *plane = picture->pixels + channel * size + start;
            for (size_t x = 0; x < width; x++) writer->row[x * channels + channel] = plane[x];
        }
        png_write_row(png, writer->row);
    }
    png_write_end(png, NULL);
    return 0;
}

int ci_encode_png(const ci_picture *picture, uint8_t **bytes, size_t *count, char *message) {
    png_writer writer = {0};
    strcpy(message, "there is not enough memory");
    int result = -1;
    writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, message, fail, warn);
    if (writer.png) writer.info = png_create_info_struct(writer.png);
    if (writer.info) result = write_png(&writer, picture);
    png_destroy_write_struct(&writer.png, &writer.info);
    free(writer.row);
    if (result != 0) {
        free(writer.bytes);
        writer.bytes = NULL;
    }
    *bytes = writer.bytes;
    *count = writer.count;
    return result;
}
