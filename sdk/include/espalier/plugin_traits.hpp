// SPDX-License-Identifier: Apache-2.0
//
// What can be told of a vendor's class before it runs. Vendors need not read this file.
#pragma once

#include <type_traits>

namespace espalier::sdk::table {

// Whether B has an open() or a recipe() of its own, beside its Base's. One that cannot be asked
// counts as such.
template <class B, class Base, class = void>
struct Opens : std::true_type {};
template <class B, class Base>
struct Opens<B, Base, std::void_t<decltype(&B::open)>>
    : std::bool_constant<!std::is_same_v<decltype(&B::open), decltype(&Base::open)>> {};
template <class B, class Base, class = void>
struct GivesRecipes : std::true_type {};
template <class B, class Base>
struct GivesRecipes<B, Base, std::void_t<decltype(&B::recipe)>>
    : std::bool_constant<!std::is_same_v<decltype(&B::recipe), decltype(&Base::recipe)>> {};

}  // namespace espalier::sdk::table
