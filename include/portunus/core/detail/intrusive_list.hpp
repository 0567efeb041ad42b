// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_DETAIL_INTRUSIVE_LIST_HPP
#define PORTUNUS_CORE_DETAIL_INTRUSIVE_LIST_HPP

namespace portunus::detail {

/// The link of an object that sits in at most one list and leaves it by itself when it is destroyed. Circular
/// with a sentinel, so that an object can unlink without knowing its list, even from a list that is a local
/// variable.
struct intrusive_hook {
    intrusive_hook() = default;
    intrusive_hook(const intrusive_hook&) = delete;
    intrusive_hook& operator=(const intrusive_hook&) = delete;
    ~intrusive_hook() { unlink(); }

    bool linked() const noexcept { return next != nullptr; }
    void unlink() noexcept {
        if (!next) return;
        previous->next = next;
        next->previous = previous;
        next = previous = nullptr;
    }

    intrusive_hook* next = nullptr;
    intrusive_hook* previous = nullptr;
};

/// A list of objects that derive from `intrusive_hook`; owns nothing. Destroying it leaves its objects
/// unlinked.
template <class T>
class intrusive_list {
  public:
    intrusive_list() noexcept { ends_.next = ends_.previous = &ends_; }
    ~intrusive_list() {
        while (pop_front()) {
        }
        ends_.next = ends_.previous = nullptr;
    }
    intrusive_list(const intrusive_list&) = delete;
    intrusive_list& operator=(const intrusive_list&) = delete;

    bool empty() const noexcept { return ends_.next == &ends_; }
    T* front() noexcept { return object(ends_.next); }
    T* back() noexcept { return object(ends_.previous); }
    T* before(T& item) noexcept { return object(hook(item).previous); }
    T* after(T& item) noexcept { return object(hook(item).next); }

    void push_back(T& item) noexcept { link(*ends_.previous, hook(item)); }
    /// After `position`, or first where that is null.
    void insert_after(T* position, T& item) noexcept { link(position ? hook(*position) : ends_, hook(item)); }

    T* pop_front() noexcept {
        T* first = front();
        if (first) hook(*first).unlink();
        return first;
    }

    /// Moves everything of `other` to the end of this list.
    void splice(intrusive_list& other) noexcept {
        if (other.empty()) return;
        intrusive_hook* first = other.ends_.next;
        intrusive_hook* last = other.ends_.previous;
        other.ends_.next = other.ends_.previous = &other.ends_;
        first->previous = ends_.previous;
        ends_.previous->next = first;
        last->next = &ends_;
        ends_.previous = last;
    }

  private:
    static intrusive_hook& hook(T& item) noexcept { return static_cast<intrusive_hook&>(item); }
    T* object(intrusive_hook* h) noexcept { return h == &ends_ ? nullptr : static_cast<T*>(h); }
    static void link(intrusive_hook& position, intrusive_hook& item) noexcept {
        item.previous = &position;
        item.next = position.next;
        position.next->previous = &item;
        position.next = &item;
    }

    intrusive_hook ends_;
};

} // namespace portunus::detail

#endif
