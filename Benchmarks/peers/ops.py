#!/usr/bin/env python3
"""What one call of an operator costs in Python's torch, in nanoseconds, as JSON: the peer of `suture-bench ops`.

    ops.py --calls 200

Each number is the median of 101 timings of that many calls, statements inlined by timeit, one thread.
"""

import argparse
import json
import statistics
import timeit

import torch

OPERATORS = {
    "add [4]": "vector + vector",
    "add a number [4]": "vector + 1.0",
    "matmul [4, 4]": "matrix.matmul(matrix)",
    "linear [4, 4]": "linear(matrix, matrix, vector)",
    "softmax [4]": "vector.softmax(-1)",
    "sum [4]": "vector.sum()",
    "narrow [4, 4]": "matrix.narrow(0, 1, 2)",
    "transpose [4, 4]": "matrix.transpose(-2, -1)",
    "reshape [4, 4]": "matrix.reshape(2, 8)",
    "make from 4 numbers": "tensor(numbers)",
    "read one number": "scalar.item()",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    calls = parser.parse_args().calls
    torch.set_num_threads(1)
    torch.manual_seed(1)
    numbers = [1.0, 2.0, 3.0, 4.0]
    vector = torch.tensor(numbers)
    names = {
        "numbers": numbers,
        "vector": vector,
        "matrix": torch.randn(4, 4),
        "scalar": vector.sum(),
        "linear": torch.nn.functional.linear,
        "tensor": torch.tensor,
    }
    report = {}
    for name, statement in OPERATORS.items():
        timer = timeit.Timer(statement, globals=names)
        timer.timeit(calls)
        report[name] = statistics.median(timer.repeat(101, calls)) / calls * 1e9
    print(json.dumps(report))


if __name__ == "__main__":
    main()
