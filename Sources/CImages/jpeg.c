#include "cimages.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
// After jpeglib.h, whose types it uses.
#include <jerror.h>

_Static_assert(CI_MESSAGE >= JMSG_LENGTH_MAX, "messages of libjpeg fit");

// Errors jump back to where `escape` was set. All that must survive the jump lies in a frame above that one.
typedef struct {
    struct jpeg_error_mgr manager;
    jmp_buf escape;
    char *message;
} jpeg_errors;

static void fail(j_common_ptr info) {
    jpeg_errors *errors = (jpeg_errors *)info->err;
    info->err->format_message(info, errors->message);
    longjmp(errors->escape, 1);
}

// What libjpeg warns of (level -1) it would paint over in grey: a cut or broken file must not pass as a picture.
static void warn(j_common_ptr info, int level) {
    if (level >= 0) return;
    switch (info->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
        return;
    default:
        fail(info);
    }
}

static struct jpeg_error_mgr *prepare(jpeg_errors *errors, char *message) {
    jpeg_std_error(&errors->manager);
    errors->manager.error_exit = fail;
    errors->manager.emit_message = warn;
    errors->message = message;
    return &errors->manager;
}

typedef struct {
    struct jpeg_decompress_struct info;
    struct jpeg_progress_mgr progress;
    jpeg_errors errors;
} jpeg_reader;

// A small file can ask for very many passes over a large picture.
static void watch(j_common_ptr info) {
    if (((j_decompress_ptr)info)->input_scan_number > 200) {
        strcpy(((jpeg_errors *)info->err)->message, "too many scans");
        longjmp(((jpeg_errors *)info->err)->escape, 1);
    }
}

static uint8_t product(uint8_t a, uint8_t b) {
    unsigned scaled = a * b + 128;
    return (uint8_t)((scaled + (scaled >> 8)) >> 8);
}

// Adobe's files, and so nearly all, hold the inverse of cyan, magenta, yellow and black.
static void to_colours(uint8_t *row, int width) {
    for (int x = 0; x < width; x++) {
        uint8_t light = row[4 * x + 3];
        for (int channel = 0; channel < 3; channel++) {
            uint8_t ink = 255 - row[4 * x + channel];
            row[4 * x + channel] = light - product(ink, light);
        }
    }
}

static int read_jpeg(jpeg_reader *reader, const uint8_t *bytes, size_t count, size_t limit, ci_picture *picture) {
    if (setjmp(reader->errors.escape)) return -1;
    j_decompress_ptr info = &reader->info;
    jpeg_create_decompress(info);
    reader->progress.progress_monitor = watch;
    info->progress = &reader->progress;
    jpeg_mem_src(info, bytes, count);
    jpeg_read_header(info, TRUE);
    if ((size_t)info->image_width * info->image_height > limit) {
        snprintf(
            reader->errors.message, CI_MESSAGE, "%u x %u pixels are too many", info->image_width, info->image_height);
        return -1;
    }
    int is_cmyk = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
    int is_grey = info->jpeg_color_space == JCS_GRAYSCALE;
    info->out_color_space = is_cmyk ? JCS_CMYK : is_grey ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(info);

    size_t width = info->output_width, height = info->output_height, size = width * height;
    int stride = info->output_components;
    picture->channels = is_grey ? 1 : 3;
    picture->height = (int)height;
    picture->width = (int)width;
    picture->pixels = malloc(size * (size_t)picture->channels);
    if (!picture->pixels) {
        strcpy(reader->errors.message, "there is not enough memory");
        return -1;
    }
    JSAMPARRAY row = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, (JDIMENSION)(width * (size_t)stride), 1);
    while (info->output_scanline < height) {
        size_t start = info->output_scanline * width;
        jpeg_read_scanlines(info, row, 1);
        if (is_cmyk) to_colours(row[0], (int)width);
        for (int channel = 0; channel < picture->channels; channel++) {
            uint8_t *plane = picture->pixels + (size_t)channel * size + start;
            for (size_t x = 0; x < width; x++) plane[x] = row[0][x * (size_t)stride + (size_t)channel];
        }
    }
    jpeg_finish_decompress(info);
    return 0;
}

int ci_decode_jpeg(const uint8_t *bytes, size_t count, size_t limit, ci_picture *picture, char *message) {
    jpeg_reader reader;
    memset(&reader, 0, sizeof reader);
    memset(picture, 0, sizeof *picture);
    reader.info.err = prepare(&reader.errors, message);
    int result = read_jpeg(&reader, bytes, count, limit, picture);
    jpeg_destroy_decompress(&reader.info);
    if (result != 0) {
        free(picture->pixels);
        picture->pixels = NULL;
    }
    return result;
}

typedef struct {
    struct jpeg_compress_struct info;
    jpeg_errors errors;
    unsigned char *bytes;
    unsigned long count;
} jpeg_writer;

static int write_jpeg(jpeg_writer *writer, const ci_picture *picture, int quality) {
    if (setjmp(writer->errors.escape)) return -1;
    j_compress_ptr info = &writer->info;
    jpeg_create_compress(info);
    jpeg_mem_dest(info, &writer->bytes, &writer->count);
    info->image_width = (JDIMENSION)picture->width;
    info->image_height = (JDIMENSION)picture->height;
    info->input_components = picture->channels;
    info->in_color_space = picture->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, quality, TRUE);
    jpeg_start_compress(info, TRUE);

    size_t width = (size_t)picture->width, size = width * (size_t)picture->height, channels = (size_t)picture->channels;
    JSAMPARRAY row = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, (JDIMENSION)(width * channels), 1);
    while (info->next_scanline < info->image_height) {
        const uint8_t *start = picture->pixels + info->next_scanline * width;
        for (size_t channel = 0; channel < channels; channel++) {
            for (size_t x = 0; x < width; x++) row[0][x * channels + channel] = start[channel * size + x];
        }
        jpeg_write_scanlines(info, row, 1);
    }
    jpeg_finish_compress(info);
    return 0;
}

int ci_encode_jpeg(const ci_picture *picture, int quality, uint8_t **bytes, size_t *count, char *message) {
    jpeg_writer writer;
    memset(&writer, 0, sizeof writer);
    writer.info.err = prepare(&writer.errors, message);
    int result = write_jpeg(&writer, picture, quality);
    jpeg_destroy_compress(&writer.info);
    // After an error the pointer may be to a buffer that libjpeg has replaced: it is not ours to free.
    *bytes = result == 0 ? writer.bytes : NULL;
    *count = result == 0 ? writer.count : 0;
    return result;
}
