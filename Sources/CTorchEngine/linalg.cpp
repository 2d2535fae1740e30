#include <ATen/ops/cholesky_solve.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_lstsq.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/linalg_svd.h>

#include "support.h"

using namespace ctorch;

CTensor *ct_cholesky(const CTensor *t) {
    return make([&] { return at::linalg_cholesky(t->value); });
}

CTensor *ct_cholesky_solve(const CTensor *rhs, const CTensor *factor) {
    return make([&] { return at::cholesky_solve(rhs->value, factor->value); });
}

CTensor *ct_solve(const CTensor *a, const CTensor *b) {
    return make([&] { return at::linalg_solve(a->value, b->value); });
}

CTensor *ct_pinv(const CTensor *t, double relative_tolerance) {
    return make([&] { return at::linalg_pinv(t->value, std::nullopt, relative_tolerance, false); });
}

CTensor *ct_lstsq(const CTensor *a, const CTensor *b) {
    return make([&] {
        // gelsd: by SVD, so it gives the minimum-norm answer whatever the rank.
        return std::get<0>(at::linalg_lstsq(a->value, b->value, std::nullopt, "gelsd"));
    });
}

int32_t ct_qr(const CTensor *t, CTensor **q, CTensor **r) {
    return guard([&] {
        auto results = at::linalg_qr(t->value, "reduced");
        *q = new CTensor{std::get<0>(results)};
        *r = new CTensor{std::get<1>(results)};
    });
}

int32_t ct_svd(const CTensor *t, CTensor **u, CTensor **s, CTensor **vh) {
    return guard([&] {
        auto results = at::linalg_svd(t->value, /*full_matrices=*/false);
        *u = new CTensor{std::get<0>(results)};
        *s = new CTensor{std::get<1>(results)};
        *vh = new CTensor{std::get<2>(results)};
    });
}

int32_t ct_eigh(const CTensor *t, CTensor **values, CTensor **vectors) {
    return guard([&] {
        auto results = at::linalg_eigh(t->value, "L");
        *values = new CTensor{std::get<0>(results)};
        *vectors = new CTensor{std::get<1>(results)};
    });
}
