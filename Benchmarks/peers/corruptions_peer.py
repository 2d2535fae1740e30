#!/usr/bin/env python3
"""Milliseconds that one image takes in each corruption of the package imagecorruptions, as JSON: the peer of
`suture-bench corruptions`.

    corruptions_peer.py IMAGES --size 224 --processes 2

IMAGES are bytes [count, size, size, 3]. Each process takes an equal share of the images and keeps to one thread; what
comes out is dropped where it was made, so handing it over is not counted. Each number is the mean over severities 1 to 5,
after a run that is not counted.
"""

import argparse
import json
import multiprocessing
import time

import cv2
import numpy as np
from imagecorruptions import corrupt, get_corruption_names


def start(path, size):
    global images
    cv2.setNumThreads(1)
    images = np.fromfile(path, np.uint8).reshape(-1, size, size, 3)
    for name in get_corruption_names("all"):
        for severity in range(1, 6):
            corrupt(images[0], corruption_name=name, severity=severity)


def work(task):
    name, severity, indices = task
    for index in indices:
        corrupt(images[index], corruption_name=name, severity=severity)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    count = np.fromfile(options.images, np.uint8).size // (options.size**2 * 3)
    shares = [range(first, count, options.processes) for first in range(options.processes)]
    report = {}
    with multiprocessing.Pool(options.processes, start, (options.images, options.size)) as pool:
        pool.map(abs, range(100))
        for name in get_corruption_names("all"):
            total = 0
            for severity in range(1, 6):
                begin = time.perf_counter()
                pool.map(work, [(name, severity, share) for share in shares], chunksize=1)
                total += time.perf_counter() - begin
            report[name] = 1000 * total / 5 / count
    print(json.dumps(report))


if __name__ == "__main__":
    main()
