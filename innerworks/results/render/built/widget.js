// node_modules/svelte/src/internal/shared/utils.js
var e = Array.isArray, t = Array.prototype.indexOf, n = Array.prototype.includes, r = Array.from, i = Object.defineProperty, a = Object.getOwnPropertyDescriptor, o = Object.getOwnPropertyDescriptors, s = Object.prototype, c = Array.prototype, l = Object.getPrototypeOf, u = Object.isExtensible, d = () => {};
function f(e) {
	for (var t = 0; t < e.length; t++) e[t]();
}
function p() {
	var e, t;
	return {
		promise: new Promise((n, r) => {
			e = n, t = r;
		}),
		resolve: e,
		reject: t
	};
}
function m(e, t) {
	if (Array.isArray(e)) return e;
	if (t === void 0 || !(Symbol.iterator in e)) return Array.from(e);
	let n = [];
	for (let r of e) if (n.push(r), n.length === t) break;
	return n;
}
var h = 1024, g = 2048, _ = 4096, v = 8192, y = 16384, b = 32768, x = 1 << 25, S = 65536, C = 1 << 19, w = 1 << 20, T = 1 << 25, E = 1 << 21, D = 1 << 22, ee = 1 << 23, O = Symbol("$state"), te = Symbol("component"), ne = Symbol("legacy props"), re = Symbol(""), ie = Symbol("attributes"), ae = Symbol("class"), oe = Symbol("style"), se = Symbol("text"), ce = Symbol("form reset"), le = new class extends Error {
	name = "StaleReactionError";
	message = "The reaction that called `getAbortSignal()` was re-run or destroyed";
}(), ue = !!globalThis.document?.contentType && /* @__PURE__ */ globalThis.document.contentType.includes("xml"), de = {}, k = Symbol("uninitialized"), fe = "http://www.w3.org/1999/xhtml";
function pe() {
	console.warn("https://svelte.dev/e/derived_inert");
}
function me(e) {
	console.warn("https://svelte.dev/e/hydration_mismatch");
}
function he() {
	console.warn("https://svelte.dev/e/svelte_boundary_reset_noop");
}
// node_modules/svelte/src/internal/client/dom/hydration.js
var A = !1;
function ge(e) {
	A = e;
}
var j;
function _e(e) {
	if (e === null) throw me(), de;
	return j = e;
}
function ve() {
	return _e(/* @__PURE__ */ Jt(j));
}
function M(e) {
	if (A) {
		if (/* @__PURE__ */ Jt(j) !== null) throw me(), de;
		j = e;
	}
}
function ye(e = 1) {
	if (A) {
		for (var t = e, n = j; t--;) n = /* @__PURE__ */ Jt(n);
		j = n;
	}
}
function be(e = !0) {
	for (var t = 0, n = j;;) {
		if (n.nodeType === 8) {
			var r = n.data;
			if (r === "]") {
				if (t === 0) return n;
				--t;
			} else (r === "[" || r === "[!" || r[0] === "[" && !isNaN(Number(r.slice(1)))) && (t += 1);
		}
		var i = /* @__PURE__ */ Jt(n);
		e && n.remove(), n = i;
	}
}
function xe(e) {
	if (!e || e.nodeType !== 8) throw me(), de;
	return e.data;
}
// node_modules/svelte/src/internal/client/reactivity/equality.js
function Se(e) {
	return e === this.v;
}
function Ce(e, t) {
	return e == e ? e !== t || typeof e == "object" && !!e || typeof e == "function" : t == t;
}
function we(e) {
	return !Ce(e, this.v);
}
// node_modules/svelte/src/internal/client/errors.js
function Te() {
	throw Error("https://svelte.dev/e/async_derived_orphan");
}
function Ee(e, t, n) {
	throw Error("https://svelte.dev/e/each_key_duplicate");
}
function De(e) {
	throw Error("https://svelte.dev/e/effect_in_teardown");
}
function Oe() {
	throw Error("https://svelte.dev/e/effect_in_unowned_derived");
}
function ke(e) {
	throw Error("https://svelte.dev/e/effect_orphan");
}
function Ae() {
	throw Error("https://svelte.dev/e/effect_update_depth_exceeded");
}
function je(e) {
	throw Error("https://svelte.dev/e/props_invalid_value");
}
function Me() {
	throw Error("https://svelte.dev/e/state_descriptors_fixed");
}
function Ne() {
	throw Error("https://svelte.dev/e/state_prototype_fixed");
}
function Pe() {
	throw Error("https://svelte.dev/e/state_unsafe_mutation");
}
function Fe() {
	throw Error("https://svelte.dev/e/svelte_boundary_reset_onerror");
}
// node_modules/svelte/src/internal/client/context.js
var Ie = null;
function Le(e) {
	Ie = e;
}
function Re(e, t = !1, n) {
	Ie = {
		p: Ie,
		i: !1,
		c: null,
		e: null,
		s: e,
		x: null,
		r: U,
		l: null
	};
}
function ze(e) {
	var t = Ie, n = t.e;
	if (n !== null) {
		t.e = null;
		for (var r of n) cn(r);
	}
	return e !== void 0 && (t.x = e), t.i = !0, Ie = t.p, Be(e);
}
function Be(e = {}) {
	return i(e, te, { value: !0 }), e;
}
function Ve() {
	return !0;
}
// node_modules/svelte/src/internal/client/dom/task.js
var He = [];
function Ue() {
	var e = He;
	He = [], f(e);
}
function We(e) {
	if (He.length === 0 && !gt) {
		var t = He;
		queueMicrotask(() => {
			t === He && Ue();
		});
	}
	He.push(e);
}
// node_modules/svelte/src/internal/client/reactivity/status.js
var Ge = ~(g | _ | h);
function Ke(e, t) {
	e.f = e.f & Ge | t;
}
function qe(e) {
	e.f & 512 || e.deps === null ? Ke(e, h) : Ke(e, _);
}
// node_modules/svelte/src/internal/client/reactivity/utils.js
function Je(e, t) {
	e.f & 2048 ? t.set(e, g) : e.f & 4096 && t.get(e) !== 2048 && t.set(e, _), Ke(e, h);
}
// node_modules/svelte/src/internal/client/dom/elements/misc.js
var Ye = !1;
function Xe() {
	Ye || (Ye = !0, document.addEventListener("reset", (e) => {
		Promise.resolve().then(() => {
			if (!e.defaultPrevented) for (let t of e.target.elements) t[ce]?.();
		});
	}, { capture: !0 }));
}
// node_modules/svelte/src/internal/client/dom/elements/bindings/shared.js
function Ze(e) {
	var t = H, n = U;
	An(null), jn(null);
	try {
		return e();
	} finally {
		An(t), jn(n);
	}
}
function Qe(e, t, n, r = n) {
	e.addEventListener(t, () => Ze(n));
	let i = e[ce];
	e[ce] = i ? () => {
		i(), r(!0);
	} : () => r(!0), Xe();
}
// node_modules/svelte/src/internal/client/reactivity/async.js
function $e(e, t, n, r) {
	let i = Ve() ? rt : ot;
	var a = e.filter((e) => !e.settled), o = t.map(i);
	if (n.length === 0 && a.length === 0) {
		r(o);
		return;
	}
	var s = U, c = et(), l = a.length === 1 ? a[0].promise : a.length > 1 ? Promise.all(a.map((e) => e.promise)) : null;
	function u(e) {
		if (!(s.f & 16384)) {
			c();
			try {
				r([...o, ...e]);
			} catch (e) {
				en(e, s);
			}
			tt();
		}
	}
	var d = nt();
	if (n.length === 0) {
		l.then(() => u([])).finally(d);
		return;
	}
	function f() {
		Promise.all(n.map((e) => /* @__PURE__ */ at(e))).then(u).catch((e) => en(e, s)).finally(d);
	}
	l ? l.then(() => {
		s.f & 16384 ? d() : (c(), f(), tt());
	}) : f();
}
function et() {
	var e = U, t = H, n = Ie, r = P;
	return function(i = !0) {
		jn(e), An(t), Le(n), i && !(e.f & 16384) && (r?.activate(), r?.apply());
	};
}
function tt(e = !0) {
	jn(null), An(null), Le(null), e && P?.deactivate();
}
function nt() {
	var e = U, t = e.b, n = P, r = !!t?.is_rendered();
	return t?.update_pending_count(1, n), n.increment(r, e), () => {
		t?.update_pending_count(-1, n), n.decrement(r, e);
	};
}
/*#__NO_SIDE_EFFECTS__*/
function rt(e) {
	var t = 2 | g;
	return U !== null && (U.f |= C), {
		ctx: Ie,
		deps: null,
		effects: null,
		equals: Se,
		f: t,
		fn: e,
		reactions: null,
		rv: 0,
		v: k,
		wv: 0,
		parent: U,
		ac: null
	};
}
var it = Symbol("obsolete");
/*#__NO_SIDE_EFFECTS__*/
function at(e, t, n) {
	let r = U;
	r === null && Te();
	var i = void 0, a = Mt(k), o = !H, s = /* @__PURE__ */ new Set();
	return dn(() => {
		var t = U, n = p();
		i = n.promise;
		try {
			Promise.resolve(e()).then(n.resolve, (e) => {
				e !== le && n.reject(e);
			}).finally(tt);
		} catch (e) {
			n.reject(e), tt();
		}
		var c = P;
		if (o) {
			if (t.f & 32768) var l = nt();
			if (r.b?.is_rendered()) c.async_deriveds.get(t)?.reject(it);
			else for (let e of s.values()) e.reject(it);
			s.add(n), c.async_deriveds.set(t, n);
		}
		let u = (e, t = void 0) => {
			l?.(), s.delete(n), t !== it && (c.activate(), t ? (a.f |= ee, It(a, t)) : (a.f & 8388608 && (a.f ^= ee), It(a, e)), c.deactivate());
		};
		n.promise.then(u, (e) => u(null, e || "unknown"));
	}), on(() => {
		for (let e of s) e.reject(it);
	}), new Promise((e) => {
		function t(n) {
			function r() {
				n === i ? e(a) : t(i);
			}
			n.then(r, r);
		}
		t(i);
	});
}
/*#__NO_SIDE_EFFECTS__*/
function N(e) {
	let t = /* @__PURE__ */ rt(e);
	return Nn(t), t;
}
/*#__NO_SIDE_EFFECTS__*/
function ot(e) {
	let t = /* @__PURE__ */ rt(e);
	return t.equals = we, t;
}
function st(e) {
	var t = e.effects;
	if (t !== null) {
		e.effects = null;
		for (var n = 0; n < t.length; n += 1) vn(t[n]);
	}
}
function ct(e) {
	var t, n = U, r = e.parent;
	if (!Dn && r !== null && e.v !== k && r.f & 24576) return pe(), e.v;
	jn(r);
	try {
		st(e), t = Gn(e);
	} finally {
		jn(n);
	}
	return t;
}
function lt(e) {
	var t = ct(e);
	!e.equals(t) && (e.wv = Hn(), (!P?.is_fork || e.deps === null) && (P === null ? e.v = t : (P.capture(e, t, !0), pt?.capture(e, t, !0)), e.deps === null)) ? Ke(e, h) : Dn || (mt === null ? qe(e) : (an() || P?.is_fork) && mt.set(e, t));
}
function ut(e) {
	if (e.effects !== null) for (let t of e.effects) (t.teardown || t.ac) && (t.teardown?.(), t.ac !== null && Ze(() => {
		t.ac.abort(le), t.ac = null;
	}), t.fn !== null && (t.teardown = d), Jn(t, 0), gn(t));
}
function dt(e) {
	if (e.effects !== null) for (let t of e.effects) t.teardown && t.fn !== null && Yn(t);
}
// node_modules/svelte/src/internal/client/reactivity/batch.js
var ft = null, P = null, pt = null, mt = null, ht = null, gt = !1, _t = !1, vt = null, yt = null, bt = 0, xt = 1, St = class e {
	id = xt++;
	started = !1;
	linked = !0;
	prev = null;
	next = null;
	async_deriveds = /* @__PURE__ */ new Map();
	current = /* @__PURE__ */ new Map();
	previous = /* @__PURE__ */ new Map();
	#e = /* @__PURE__ */ new Set();
	#t = /* @__PURE__ */ new Set();
	#n = 0;
	#r = /* @__PURE__ */ new Map();
	#i = null;
	#a = [];
	#o = [];
	#s = /* @__PURE__ */ new Map();
	#c = /* @__PURE__ */ new Map();
	#l = /* @__PURE__ */ new Set();
	is_fork = !1;
	#u = !1;
	constructor() {
		ft === null ? ft = this : (ft.next = this, this.prev = ft), ft = this;
	}
	#d() {
		if (this.is_fork) return !0;
		for (let e of this.#r.keys()) if (!this.#f(e)) return !0;
		return !1;
	}
	#f(e) {
		for (var t = e; t !== null; t = t.parent) if (this.#c.has(t)) return !0;
		return !1;
	}
	skip_effect(e) {
		this.#c.has(e) || this.#c.set(e, {
			d: [],
			m: []
		}), this.#l.delete(e);
	}
	unskip_effect(e, t = (e) => this.schedule(e)) {
		var n = this.#c.get(e);
		if (n) {
			this.#c.delete(e);
			for (var r of n.d) Ke(r, g), t(r);
			for (r of n.m) Ke(r, _), t(r);
		}
		this.#l.add(e);
	}
	#p() {
		var e = [];
		for (let i of this.#a) if (!(i.f & 16384 || !(i.f & 6144))) {
			for (var t = i, n = !1; t.parent !== null;) {
				t = t.parent;
				var r = t.f;
				if (r & 96) {
					if (!(r & 1024)) {
						n = !0;
						break;
					}
					t.f ^= h;
				}
			}
			n || e.push(t);
		}
		return this.#a = [], e;
	}
	#m() {
		this.started = !0;
		for (let [e, t] of this.#s) Ke(e, t), this.schedule(e);
		this.apply();
		for (var t = vt = [], n = [], r = yt = []; this.#a.length > 0;) {
			bt++ > 1e3 && (this.#b(), Ct());
			for (let e of this.#p()) try {
				this.#h(e, t, n);
			} catch (t) {
				throw Ot(e), this.#d() || this.discard(), t;
			}
		}
		if (P = null, r.length > 0) {
			var i = e.ensure();
			for (let e of r) i.schedule(e);
		}
		if (vt = null, yt = null, this.#d()) {
			this.#y(n), this.#y(t);
			for (let [e, t] of this.#c) Dt(e, t);
			r.length > 0 && P.#m();
			return;
		}
		let a = this.#g();
		if (a) this.#y(n), this.#y(t), a.#v(this);
		else {
			this.#s.clear();
			for (let e of this.#e) e(this);
			this.#e.clear(), pt = this, Tt(n), Tt(t), pt = null, this.#i?.resolve();
			var o = P;
			this.#n === 0 && (this.#a.length === 0 || o !== null) && this.#b(), o !== null && (At.clear(), o.#m());
		}
	}
	#h(e, t, n) {
		e.f ^= h;
		for (var r = e.first; r !== null;) {
			var i = r.f, a = !!(i & 96);
			if (!(a && i & 1024 || i & 8192 || this.#c.has(r)) && r.fn !== null) {
				a ? r.f ^= h : i & 4 ? t.push(r) : Un(r) && (i & 16 && this.add_dirty_reaction(r, _), Yn(r));
				var o = r.first;
				if (o !== null) {
					r = o;
					continue;
				}
			}
			for (; r !== null;) {
				var s = r.next;
				if (s !== null) {
					r = s;
					break;
				}
				r = r.parent;
			}
		}
	}
	#g() {
		for (var e = this.prev; e !== null; e = e.prev) if (!e.is_fork && this.#_(e)) return e;
		return null;
	}
	#_(e) {
		for (let [t, [, n]] of this.current) if (!n && e.current.has(t)) return !0;
		return !1;
	}
	#v(e) {
		for (let [t, n] of e.current) !this.previous.has(t) && e.previous.has(t) && this.previous.set(t, e.previous.get(t)), this.current.set(t, n);
		for (let [t, n] of e.async_deriveds) {
			let e = this.async_deriveds.get(t);
			e && n.promise.then(e.resolve).catch(e.reject);
		}
		e.async_deriveds.clear(), this.transfer_reactions(e.#s);
		let t = (e) => {
			var n = e.reactions;
			if (n !== null && !(e.f & 2 && !(e.f & 6144))) for (let e of n) {
				var r = e.f;
				if (r & 2) t(e);
				else {
					var i = e;
					r & 4194320 && !this.async_deriveds.has(i) && (this.#s.delete(i), Ke(i, g), this.schedule(i));
				}
			}
		};
		for (let e of this.current.keys()) t(e);
		this.oncommit(() => e.discard()), e.#b(), P = this, this.#m();
	}
	#y(e) {
		for (var t = 0; t < e.length; t += 1) Je(e[t], this.#s);
	}
	capture(e, t, n = !1) {
		e.v !== k && !this.previous.has(e) && this.previous.set(e, e.v), e.f & 8388608 || (this.current.set(e, [t, n]), mt?.set(e, t)), this.is_fork || (e.v = t);
	}
	activate() {
		P = this;
	}
	deactivate() {
		P = null, mt = null;
	}
	flush() {
		try {
			_t = !0, P = this, this.#m();
		} finally {
			bt = 0, ht = null, vt = null, yt = null, _t = !1, P = null, mt = null, At.clear();
		}
	}
	discard() {
		for (let e of this.#t) e(this);
		this.#t.clear();
		for (let e of this.async_deriveds.values()) e.reject(it);
		this.#b(), this.#i?.resolve();
	}
	register_created_effect(e) {
		this.#o.push(e);
	}
	increment(e, t) {
		if (this.#n += 1, e) {
			let e = this.#r.get(t) ?? 0;
			this.#r.set(t, e + 1);
		}
	}
	decrement(e, t) {
		if (--this.#n, e) {
			let e = this.#r.get(t) ?? 0;
			e === 1 ? this.#r.delete(t) : this.#r.set(t, e - 1);
		}
		this.#u || (this.#u = !0, We(() => {
			this.#u = !1, this.linked && this.flush();
		}));
	}
	transfer_reactions(e) {
		for (let [t, n] of e) this.add_dirty_reaction(t, n);
		e.clear();
	}
	add_dirty_reaction(e, t) {
		(t === 2048 || this.#s.get(e) !== 2048) && this.#s.set(e, t);
	}
	oncommit(e) {
		this.#e.add(e);
	}
	ondiscard(e) {
		this.#t.add(e);
	}
	settled() {
		return (this.#i ??= p()).promise;
	}
	static ensure() {
		if (P === null) {
			let t = P = new e();
			!_t && We(() => {
				t.started || t.flush();
			});
		}
		return P;
	}
	apply() {
		mt = null;
	}
	schedule(e) {
		ht = e, e.b?.is_pending && e.f & 16777228 && !(e.f & 32768) ? e.b.defer_effect(e) : this.#a.push(e);
	}
	#b() {
		if (this.linked) {
			var e = this.prev, t = this.next;
			e === null || (e.next = t), t === null ? ft = e : t.prev = e, this.linked = !1;
		}
	}
};
function Ct() {
	try {
		Ae();
	} catch (e) {
		en(e, ht);
	}
}
var wt = null;
function Tt(e) {
	var t = e.length;
	if (t !== 0) {
		for (var n = 0; n < t;) {
			var r = e[n++];
			if (!(r.f & 24576) && Un(r) && (wt = /* @__PURE__ */ new Set(), Yn(r), r.deps === null && r.first === null && r.nodes === null && r.teardown === null && r.ac === null && bn(r), wt?.size > 0)) {
				At.clear();
				for (let e of wt) {
					if (e.f & 24576) continue;
					let t = [e], n = e.parent;
					for (; n !== null;) wt.has(n) && (wt.delete(n), t.push(n)), n = n.parent;
					for (let e = t.length - 1; e >= 0; e--) {
						let n = t[e];
						n.f & 24576 || Yn(n);
					}
				}
				wt.clear();
			}
		}
		wt = null;
	}
}
function Et(e) {
	P.schedule(e);
}
function Dt(e, t) {
	if (!(e.f & 32 && e.f & 1024)) {
		e.f & 2048 ? t.d.push(e) : e.f & 4096 && t.m.push(e), Ke(e, h);
		for (var n = e.first; n !== null;) Dt(n, t), n = n.next;
	}
}
function Ot(e) {
	Ke(e, h);
	for (var t = e.first; t !== null;) Ot(t), t = t.next;
}
// node_modules/svelte/src/internal/client/reactivity/sources.js
var kt = /* @__PURE__ */ new Set(), At = /* @__PURE__ */ new Map(), jt = !1;
function Mt(e, t) {
	return {
		f: 0,
		v: e,
		reactions: null,
		equals: Se,
		rv: 0,
		wv: 0
	};
}
/*#__NO_SIDE_EFFECTS__*/
function F(e, t) {
	let n = Mt(e, t);
	return Nn(n), n;
}
/*#__NO_SIDE_EFFECTS__*/
function Nt(e, t = !1, n = !0) {
	let r = Mt(e);
	return t || (r.equals = we), r;
}
function I(e, t, n = !1) {
	return H !== null && (!kn || H.f & 131072) && Ve() && H.f & 4325394 && (Mn === null || !Mn.has(e)) && Pe(), It(e, n ? Bt(t) : t, yt);
}
var Pt = null, Ft = 0;
function It(e, t, n = null) {
	if (!e.equals(t)) {
		Dn ? At.set(e, t) : At.has(e) || At.set(e, e.v);
		var r = St.ensure();
		if (r.capture(e, t), e.f & 2) {
			let t = e;
			e.f & 2048 && ct(t), mt === null && qe(t);
		}
		e.wv = Hn(), Pt = null, Ft = 0, zt(e, g, n), Pt = null, Ve() && U !== null && U.f & 1024 && !(U.f & 96) && (In === null ? Ln([e]) : In.push(e)), !r.is_fork && kt.size > 0 && !jt && Lt();
	}
	return t;
}
function Lt() {
	jt = !1;
	for (let e of kt) {
		e.f & 1024 && Ke(e, _);
		let t;
		try {
			t = Un(e);
		} catch {
			t = !0;
		}
		t && Yn(e);
	}
	kt.clear();
}
function Rt(e) {
	I(e, e.v + 1);
}
function zt(e, t, n) {
	var r = e.reactions;
	if (r !== null) {
		var i = Ve(), a = r.length;
		if (Ft += a, Ft > 1e5 && Pt === null && (Pt = /* @__PURE__ */ new Set()), Pt !== null) {
			if (Pt.has(e)) return;
			Pt.add(e);
		}
		for (var o = 0; o < a; o++) {
			var s = r[o], c = s.f;
			if (i || s !== U) {
				var l = (c & g) === 0;
				if (l && Ke(s, t), c & 131072) kt.add(s);
				else if (c & 2) {
					var u = s;
					mt?.delete(u), zt(u, _, n);
				} else if (l) {
					var d = s;
					c & 16 && wt !== null && wt.add(d), n === null ? Et(d) : n.push(d);
				}
			}
		}
	}
}
function Bt(t) {
	if (typeof t != "object" || !t || O in t || te in t) return t;
	let n = l(t);
	if (n !== s && n !== c) return t;
	var r = /* @__PURE__ */ new Map(), i = e(t), o = /* @__PURE__ */ F(0), u = null, d = Bn, f = (e) => {
		if (Bn === d) return e();
		var t = H, n = Bn;
		An(null), Vn(d);
		var r = e();
		return An(t), Vn(n), r;
	};
	return i && r.set("length", /* @__PURE__ */ F(t.length, u)), new Proxy(t, {
		defineProperty(e, t, n) {
			"value" in n && n.configurable !== !1 && n.enumerable !== !1 && n.writable !== !1 || Me();
			var i = r.get(t);
			return i === void 0 ? f(() => {
				var e = /* @__PURE__ */ F(n.value, u);
				return r.set(t, e), e;
			}) : I(i, n.value, !0), !0;
		},
		deleteProperty(e, t) {
			var n = r.get(t);
			if (n === void 0) {
				if (t in e) {
					let e = f(() => /* @__PURE__ */ F(k, u));
					r.set(t, e), Rt(o);
				}
			} else I(n, k), Rt(o);
			return !0;
		},
		get(e, n, i) {
			if (n === O) return t;
			var o = r.get(n), s = n in e;
			if (o === void 0 && (!s || a(e, n)?.writable) && (o = f(() => /* @__PURE__ */ F(Bt(s ? e[n] : k), u)), r.set(n, o)), o !== void 0) {
				var c = W(o);
				return c === k ? void 0 : c;
			}
			return Reflect.get(e, n, i);
		},
		getOwnPropertyDescriptor(e, t) {
			this.has?.(e, t);
			var n = Reflect.getOwnPropertyDescriptor(e, t), i = r.get(t);
			if (i !== void 0) {
				var a = W(i);
				if (a === k) return;
				if (n && "value" in n) n.value = a;
				else return {
					enumerable: !0,
					configurable: !0,
					value: a,
					writable: !0
				};
			}
			return n;
		},
		has(e, t) {
			if (t === O) return !0;
			var n = r.get(t), i = n !== void 0 && n.v !== k || Reflect.has(e, t);
			return (n !== void 0 || (U !== null || H !== null) && (!i || a(e, t)?.writable)) && (n === void 0 && (n = f(() => /* @__PURE__ */ F(i ? Bt(e[t]) : k, u)), r.set(t, n)), W(n) === k) ? !1 : i;
		},
		set(e, t, n, s) {
			var c = r.get(t), l = t in e;
			if (i && t === "length") for (var d = n; d < c.v; d += 1) {
				var p = r.get(d + "");
				p === void 0 ? d in e && (p = f(() => /* @__PURE__ */ F(k, u)), r.set(d + "", p)) : I(p, k);
			}
			if (c === void 0) (!l || a(e, t)?.writable) && (c = f(() => /* @__PURE__ */ F(void 0, u)), I(c, Bt(n)), r.set(t, c));
			else {
				l = c.v !== k;
				var m = f(() => Bt(n));
				I(c, m);
			}
			var h = Reflect.getOwnPropertyDescriptor(e, t);
			if (h?.set && h.set.call(s, n), !l) {
				if (i && typeof t == "string") {
					var g = r.get("length"), _ = Number(t);
					Number.isInteger(_) && _ >= g.v && I(g, _ + 1);
				}
				Rt(o);
			}
			return !0;
		},
		ownKeys(e) {
			W(o);
			var t = Reflect.ownKeys(e).filter((e) => {
				var t = r.get(e);
				return t === void 0 || t.v !== k;
			});
			for (var [n, i] of r) i.v !== k && !(n in e) && t.push(n);
			return t;
		},
		setPrototypeOf() {
			Ne();
		}
	});
}
var Vt, Ht, Ut, Wt;
function Gt() {
	if (Vt === void 0) {
		Vt = window, Ht = /Firefox/.test(navigator.userAgent);
		var e = Element.prototype, t = Node.prototype, n = Text.prototype;
		Ut = a(t, "firstChild").get, Wt = a(t, "nextSibling").get, u(e) && (e[ae] = void 0, e[ie] = null, e[oe] = void 0, e.__e = void 0), u(n) && (n[se] = void 0);
	}
}
function Kt(e = "") {
	return document.createTextNode(e);
}
/*@__NO_SIDE_EFFECTS__*/
function qt(e) {
	return Ut.call(e);
}
/*@__NO_SIDE_EFFECTS__*/
function Jt(e) {
	return Wt.call(e);
}
function L(e, t) {
	if (!A) return /* @__PURE__ */ qt(e);
	var n = /* @__PURE__ */ qt(j);
	if (n === null) n = j.appendChild(Kt());
	else if (t && n.nodeType !== 3) {
		var r = Kt();
		return n?.before(r), _e(r), r;
	}
	return t && Qt(n), _e(n), n;
}
function R(e, t = !1) {
	if (!A) {
		var n = /* @__PURE__ */ qt(e);
		return n instanceof Comment && n.data === "" ? /* @__PURE__ */ Jt(n) : n;
	}
	if (t) {
		if (j?.nodeType !== 3) {
			var r = Kt();
			return j?.before(r), _e(r), r;
		}
		Qt(j);
	}
	return j;
}
function z(e, t = !1) {
	if (!A) return /* @__PURE__ */ qt(e);
	var n = L(e, t);
	return M(e), n;
}
function B(e, t = 1, n = !1) {
	let r = A ? j : e;
	for (var i; t--;) i = r, r = /* @__PURE__ */ Jt(r);
	if (!A) return r;
	if (n) {
		if (r?.nodeType !== 3) {
			var a = Kt();
			return r === null ? i?.after(a) : r.before(a), _e(a), a;
		}
		Qt(r);
	}
	return _e(r), r;
}
function Yt(e) {
	e.textContent = "";
}
function Xt() {
	return !1;
}
function Zt(e, t, n) {
	return t == null || t === "http://www.w3.org/1999/xhtml" ? n ? document.createElement(e, { is: n }) : document.createElement(e) : n ? document.createElementNS(t, e, { is: n }) : document.createElementNS(t, e);
}
function Qt(e) {
	if (e.nodeValue.length < 65536) return;
	let t = e.nextSibling;
	for (; t !== null && t.nodeType === 3;) t.remove(), e.nodeValue += t.nodeValue, t = e.nextSibling;
}
function $t(e) {
	var t = U;
	if (t === null) return H.f |= ee, e;
	if (!(t.f & 32768) && !(t.f & 4)) throw e;
	en(e, t);
}
function en(e, t) {
	if (e === de) throw e;
	if (!(t !== null && t.f & 16384)) {
		for (; t !== null;) {
			if (t.f & 128 && !(t.f & 33570816)) {
				if (!(t.f & 32768)) throw e;
				try {
					t.b.error(e);
					return;
				} catch (t) {
					e = t;
				}
			}
			t = t.parent;
		}
		throw e;
	}
}
// node_modules/svelte/src/internal/client/reactivity/effects.js
function tn(e) {
	U === null && (H === null && ke(e), Oe()), Dn && De(e);
}
function nn(e, t) {
	var n = t.last;
	n === null ? t.last = t.first = e : (n.next = e, e.prev = n, t.last = e);
}
function rn(e, t) {
	var n = U;
	n !== null && n.f & 8192 && (e |= v);
	var r = {
		ctx: Ie,
		deps: null,
		nodes: null,
		f: e | g | 512,
		first: null,
		fn: t,
		last: null,
		next: null,
		parent: n,
		b: n && n.b,
		prev: null,
		teardown: null,
		wv: 0,
		ac: null
	};
	P?.register_created_effect(r);
	var i = r;
	if (e & 4) vt === null ? St.ensure().schedule(r) : vt.push(r);
	else if (t !== null) {
		try {
			Yn(r);
		} catch (e) {
			throw vn(r), e;
		}
		i.deps === null && i.teardown === null && i.nodes === null && i.first === i.last && !(i.f & 524288) && (i = i.first, e & 16 && e & 65536 && i !== null && (i.f |= S));
	}
	if (i !== null && (i.parent = n, n !== null && nn(i, n), H !== null && H.f & 2 && !(e & 64))) {
		var a = H;
		(a.effects ??= []).push(i);
	}
	return r;
}
function an() {
	return H !== null && !kn;
}
function on(e) {
	let t = rn(8, null);
	return Ke(t, h), t.teardown = e, t;
}
function sn(e) {
	tn("$effect");
	var t = U.f;
	if (!H && t & 32 && Ie !== null && !Ie.i) {
		var n = Ie;
		(n.e ??= []).push(e);
	} else return cn(e);
}
function cn(e) {
	return rn(4 | w, e);
}
function ln(e) {
	St.ensure();
	let t = rn(64 | C, e);
	return (e = {}) => new Promise((n) => {
		e.outro ? xn(t, () => {
			vn(t), n(void 0);
		}) : (vn(t), n(void 0));
	});
}
function un(e) {
	return rn(4, e);
}
function dn(e) {
	return rn(D | C, e);
}
function fn(e, t = 0) {
	return rn(8 | t, e);
}
function V(e, t = [], n = [], r = []) {
	$e(r, t, n, (t) => {
		rn(8, () => {
			e(...t.map(W));
		});
	});
}
function pn(e, t = 0) {
	return rn(16 | t, e);
}
function mn(e) {
	return rn(32 | C, e);
}
function hn(e) {
	var t = e.teardown;
	if (t !== null) {
		let n = Dn, r = H;
		On(!0), An(null);
		try {
			t.call(null);
		} catch (t) {
			en(t, e.parent);
		} finally {
			On(n), An(r);
		}
	}
}
function gn(e, t = !1) {
	var n = e.first;
	for (e.first = e.last = null; n !== null;) {
		let e = n.ac;
		e !== null && Ze(() => {
			e.abort(le);
		});
		var r = n.next;
		n.f & 64 ? n.parent = null : vn(n, t), n = r;
	}
}
function _n(e) {
	for (var t = e.first; t !== null;) {
		var n = t.next;
		t.f & 32 || vn(t), t = n;
	}
}
function vn(e, t = !0) {
	var n = !1;
	(t || e.f & 262144) && e.nodes !== null && e.nodes.end !== null && (yn(e.nodes.start, e.nodes.end), n = !0), e.f |= x, gn(e, t && !n), Jn(e, 0);
	var r = e.nodes && e.nodes.t;
	if (r !== null) for (let e of r) e.stop();
	hn(e), e.f ^= x, e.f |= y;
	var i = e.parent;
	i !== null && i.first !== null && bn(e), e.next = e.prev = e.teardown = e.ctx = e.deps = e.fn = e.nodes = e.ac = e.b = null;
}
function yn(e, t) {
	for (; e !== null;) {
		var n = e === t ? null : /* @__PURE__ */ Jt(e);
		e.remove(), e = n;
	}
}
function bn(e) {
	var t = e.parent, n = e.prev, r = e.next;
	n !== null && (n.next = r), r !== null && (r.prev = n), t !== null && (t.first === e && (t.first = r), t.last === e && (t.last = n));
}
function xn(e, t, n = !0) {
	var r = [];
	e.f |= 256, Sn(e, r, !0);
	var i = () => {
		n && vn(e), t && t();
	}, a = r.length;
	if (a > 0) {
		var o = () => --a || i();
		for (var s of r) s.out(o);
	} else i();
}
function Sn(e, t, n) {
	if (!(e.f & 8192)) {
		e.f ^= v;
		var r = e.nodes && e.nodes.t;
		if (r !== null) for (let e of r) (e.is_global || n) && t.push(e);
		for (var i = e.first; i !== null;) {
			var a = i.next;
			if (!(i.f & 64)) {
				var o = !!(i.f & 65536) || !!(i.f & 32) && !!(e.f & 16);
				Sn(i, t, o ? n : !1);
			}
			i = a;
		}
	}
}
function Cn(e) {
	e.f &= -257, wn(e, !0);
}
function wn(e, t) {
	if (!(e.f & 256) && e.f & 8192) {
		e.f ^= v, e.f & 1024 || (Ke(e, g), St.ensure().schedule(e));
		for (var n = e.first; n !== null;) {
			var r = n.next, i = !!(n.f & 65536) || !!(n.f & 32);
			wn(n, i ? t : !1), n = r;
		}
		var a = e.nodes && e.nodes.t;
		if (a !== null) for (let e of a) (e.is_global || t) && e.in();
	}
}
function Tn(e, t) {
	if (e.nodes) for (var n = e.nodes.start, r = e.nodes.end; n !== null;) {
		var i = n === r ? null : /* @__PURE__ */ Jt(n);
		t.append(n), n = i;
	}
}
// node_modules/svelte/src/internal/client/legacy.js
var En = null, Dn = !1;
function On(e) {
	Dn = e;
}
var H = null, kn = !1;
function An(e) {
	H = e;
}
var U = null;
function jn(e) {
	U = e;
}
var Mn = null;
function Nn(e) {
	H !== null && (H.f & 2097152 || H.f & 2) && (Mn ??= /* @__PURE__ */ new Set()).add(e);
}
var Pn = null, Fn = 0, In = null;
function Ln(e) {
	In = e;
}
var Rn = 1, zn = 0, Bn = zn;
function Vn(e) {
	Bn = e;
}
function Hn() {
	return ++Rn;
}
function Un(e) {
	var t = e.f;
	if (t & 2048) return !0;
	if (t & 4096) {
		for (var n = e.deps, r = n.length, i = 0; i < r; i++) {
			var a = n[i];
			if (Un(a) && lt(a), a.wv > e.wv) return !0;
		}
		t & 512 && mt === null && Ke(e, h);
	}
	return !1;
}
function Wn(e, t, n = !0) {
	var r = e.reactions;
	if (r !== null && !(Mn !== null && Mn.has(e))) for (var i = 0; i < r.length; i++) {
		var a = r[i];
		a.f & 2 ? Wn(a, t, !1) : t === a && (n ? Ke(a, g) : a.f & 1024 && Ke(a, _), Et(a));
	}
}
function Gn(e) {
	var t = Pn, n = Fn, r = In, i = H, a = Mn, o = Ie, s = kn, c = Bn, l = e.f;
	Pn = null, Fn = 0, In = null, H = l & 96 ? null : e, Mn = null, Le(e.ctx), kn = !1, Bn = ++zn, e.ac !== null && (Ze(() => {
		e.ac.abort(le);
	}), e.ac = null);
	try {
		e.f |= E;
		var u = e.fn, d = u();
		e.f |= b;
		var f = Kn(e);
		if (Ve() && In !== null && !kn && f !== null && !(e.f & 6146)) for (var p = 0; p < In.length; p++) Wn(In[p], e);
		if (i !== null && i !== e) {
			if (zn++, i.deps !== null) for (let e = 0; e < n; e += 1) i.deps[e].rv = zn;
			if (t !== null) for (let e of t) e.rv = zn;
			In !== null && (r === null ? r = In : r.push(...In));
		}
		return e.f & 8388608 && (e.f ^= ee), d;
	} catch (t) {
		return Kn(e), $t(t);
	} finally {
		e.f ^= E, Pn = t, Fn = n, In = r, H = i, Mn = a, Le(o), kn = s, Bn = c;
	}
}
function Kn(e) {
	var t = e.deps, n = P?.is_fork;
	if (Pn !== null) {
		var r;
		if (n || Jn(e, Fn), t !== null && Fn > 0) for (t.length = Fn + Pn.length, r = 0; r < Pn.length; r++) t[Fn + r] = Pn[r];
		else e.deps = t = Pn;
		if (an() && e.f & 512) for (r = Fn; r < t.length; r++) (t[r].reactions ??= []).push(e);
	} else !n && t !== null && Fn < t.length && (Jn(e, Fn), t.length = Fn);
	return t;
}
function qn(e, r) {
	let i = r.reactions;
	if (i !== null) {
		var a = t.call(i, e);
		if (a !== -1) {
			var o = i.length - 1;
			o === 0 ? i = r.reactions = null : (i[a] = i[o], i.pop());
		}
	}
	if (i === null && r.f & 2 && (Pn === null || !n.call(Pn, r))) {
		var s = r;
		s.f & 512 && (s.f ^= 512), s.v !== k && qe(s), s.ac !== null && Ze(() => {
			s.ac.abort(le), s.ac = null, Ke(s, g);
		}), ut(s), Jn(s, 0);
	}
}
function Jn(e, t) {
	var n = e.deps;
	if (n !== null) for (var r = t; r < n.length; r++) qn(e, n[r]);
}
function Yn(e) {
	var t = e.f;
	if (!(t & 16384)) {
		Ke(e, h);
		var n = U;
		U = e;
		try {
			t & 16777232 ? _n(e) : gn(e), hn(e);
			var r = Gn(e);
			e.teardown = typeof r == "function" ? r : null, e.wv = Rn;
		} finally {
			U = n;
		}
	}
}
function W(e) {
	var t = !!(e.f & 2);
	if (En?.add(e), H !== null && !kn && !(U !== null && U.f & 16384) && (Mn === null || !Mn.has(e))) {
		var r = H.deps;
		if (H.f & 2097152) e.rv < zn && (e.rv = zn, Pn === null && r !== null && r[Fn] === e ? Fn++ : Pn === null ? Pn = [e] : Pn.push(e));
		else {
			H.deps ??= [], n.call(H.deps, e) || H.deps.push(e);
			var i = e.reactions;
			i === null ? e.reactions = [H] : n.call(i, H) || i.push(H);
		}
	}
	if (Dn && At.has(e)) return At.get(e);
	if (t) {
		var a = e;
		if (Dn) {
			var o = a.v;
			return (!(a.f & 1024) && a.reactions !== null || Zn(a)) && (o = ct(a)), At.set(a, o), o;
		}
		var s = !(a.f & 512) && !kn && H !== null && !!(H.f & 512), c = (a.f & b) === 0;
		Un(a) && (s && (a.f |= 512), lt(a)), s && !c && (dt(a), Xn(a));
	}
	if (mt?.has(e)) return mt.get(e);
	if (e.f & 8388608) throw e.v;
	return e.v;
}
function Xn(e) {
	if (e.f |= 512, e.deps !== null) for (let r of e.deps) {
		var t = r.reactions;
		t === null ? r.reactions = [e] : n.call(t, e) || t.push(e), r.f & 2 && !(r.f & 512) && (dt(r), Xn(r));
	}
}
function Zn(e) {
	if (e.v === k) return !0;
	if (e.deps === null) return !1;
	for (let t of e.deps) if (At.has(t) || t.f & 2 && Zn(t)) return !0;
	return !1;
}
function Qn(e) {
	var t = kn;
	try {
		return kn = !0, e();
	} finally {
		kn = t;
	}
}
[.../* @__PURE__ */ "allowfullscreen.async.autofocus.autoplay.checked.controls.default.disabled.formnovalidate.indeterminate.inert.ismap.loop.multiple.muted.nomodule.novalidate.open.playsinline.readonly.required.reversed.seamless.selected.webkitdirectory.defer.disablepictureinpicture.disableremoteplayback".split(".")];
var $n = ["touchstart", "touchmove"];
function er(e) {
	return $n.includes(e);
}
// node_modules/svelte/src/internal/client/dom/elements/events.js
var tr = Symbol("events"), nr = /* @__PURE__ */ new Set(), rr = /* @__PURE__ */ new Set();
function ir(e, t, n, r = {}) {
	function i(e) {
		if (r.capture || lr.call(t, e), !e.cancelBubble) return Ze(() => n?.call(this, e));
	}
	return e.startsWith("pointer") || e.startsWith("touch") || e === "wheel" ? (i.__removed = !1, We(() => {
		i.__removed || t.addEventListener(e, i, r);
	})) : t.addEventListener(e, i, r), i;
}
function ar(e, t, n, r, i) {
	var a = {
		capture: r,
		passive: i
	}, o = ir(e, t, n, a);
	(t === document.body || t === window || t === document || t instanceof HTMLMediaElement) && on(() => {
		o.__removed = !0, t.removeEventListener(e, o, a);
	});
}
function G(e, t, n) {
	(t[tr] ??= {})[e] = n;
}
function or(e) {
	for (var t = 0; t < e.length; t++) nr.add(e[t]);
	for (var n of rr) n(e);
}
var sr = null, cr = !1;
function lr(e) {
	var t = this, n = t.ownerDocument, r = e.type, a = e.composedPath?.() || [], o = a[0] || e.target;
	sr = e, cr || (cr = !0, setTimeout(() => {
		cr = !1, sr = null;
	}));
	var s = 0, c = sr === e && e[tr];
	if (c) {
		var l = a.indexOf(c);
		if (l !== -1 && (t === document || t === window)) {
			e[tr] = t;
			return;
		}
		var u = a.indexOf(t);
		if (u === -1) return;
		l <= u && (s = l);
	}
	if (o = a[s] || e.target, o !== t) {
		i(e, "currentTarget", {
			configurable: !0,
			get() {
				return o || n;
			}
		});
		var d = H, f = U;
		An(null), jn(null);
		try {
			for (var p, m = []; o !== null && o !== t;) {
				try {
					var h = o[tr]?.[r];
					h == null || o.disabled && e.target !== o || h.call(o, e);
				} catch (e) {
					p ? m.push(e) : p = e;
				}
				if (e.cancelBubble) break;
				s++, o = s < a.length ? a[s] : null;
			}
			if (p) {
				for (let e of m) queueMicrotask(() => {
					throw e;
				});
				throw p;
			}
		} finally {
			e[tr] = t, delete e.currentTarget, An(d), jn(f);
		}
	}
}
// node_modules/svelte/src/internal/client/dom/reconciler.js
var ur = globalThis?.window?.trustedTypes && /* @__PURE__ */ globalThis.window.trustedTypes.createPolicy("svelte-trusted-html", { createHTML: (e) => e });
function dr(e) {
	return ur?.createHTML(e) ?? e;
}
function fr(e) {
	var t = Zt("template");
	return t.innerHTML = dr(e.replaceAll("<!>", "<!---->")), t.content;
}
// node_modules/svelte/src/internal/client/dom/template.js
function pr(e, t) {
	var n = U;
	n.nodes === null && (n.nodes = {
		start: e,
		end: t,
		a: null,
		t: null
	});
}
/*#__NO_SIDE_EFFECTS__*/
function K(e, t) {
	var n = !!(t & 1), r = !!(t & 2), i, a = !e.startsWith("<!>");
	return () => {
		if (A) return pr(j, null), j;
		i === void 0 && (i = fr(a ? e : "<!>" + e), n || (i = /* @__PURE__ */ qt(i)));
		var t = r || Ht ? document.importNode(i, !0) : i.cloneNode(!0);
		if (n) {
			var o = /* @__PURE__ */ qt(t), s = t.lastChild;
			pr(o, s);
		} else pr(t, t);
		return t;
	};
}
/*#__NO_SIDE_EFFECTS__*/
function mr(e, t, n = "svg") {
	var r = !e.startsWith("<!>"), i = !!(t & 1), a = `<${n}>${r ? e : "<!>" + e}</${n}>`, o;
	return () => {
		if (A) return pr(j, null), j;
		if (!o) {
			var e = /* @__PURE__ */ qt(fr(a));
			if (i) for (o = document.createDocumentFragment(); /* @__PURE__ */ qt(e);) o.appendChild(/* @__PURE__ */ qt(e));
			else o = /* @__PURE__ */ qt(e);
		}
		var t = o.cloneNode(!0);
		if (i) {
			var n = /* @__PURE__ */ qt(t), r = t.lastChild;
			pr(n, r);
		} else pr(t, t);
		return t;
	};
}
/*#__NO_SIDE_EFFECTS__*/
function q(e, t) {
	return /* @__PURE__ */ mr(e, t, "svg");
}
function hr(e = "") {
	if (!A) {
		var t = Kt(e + "");
		return pr(t, t), t;
	}
	var n = j;
	return n.nodeType === 3 ? Qt(n) : (n.before(n = Kt()), _e(n)), pr(n, n), n;
}
function gr() {
	if (A) return pr(j, null), j;
	var e = document.createDocumentFragment(), t = document.createComment(""), n = Kt();
	return e.append(t, n), pr(t, n), e;
}
function J(e, t) {
	if (A) {
		var n = U;
		n.f & 32768 && n.nodes.end !== null || (n.nodes.end = j), ve();
	} else e !== null && e.before(t);
}
// node_modules/svelte/src/reactivity/create-subscriber.js
function _r(e) {
	let t = 0, n = Mt(0), r;
	return () => {
		an() && (W(n), fn(() => (t === 0 && (r = Qn(() => e(() => Rt(n)))), t += 1, () => {
			We(() => {
				--t, t === 0 && (r?.(), r = void 0, Rt(n));
			});
		})));
	};
}
// node_modules/svelte/src/internal/client/dom/blocks/boundary.js
var vr = S | C;
function yr(e, t, n, r) {
	new br(e, t, n, r);
}
var br = class {
	parent;
	is_pending = !1;
	transform_error;
	#e;
	#t = A ? j : null;
	#n;
	#r;
	#i;
	#a = null;
	#o = null;
	#s = null;
	#c = null;
	#l = 0;
	#u = 0;
	#d = !1;
	#f = /* @__PURE__ */ new Map();
	#p = null;
	#m = _r(() => (this.#p = Mt(this.#l), () => {
		this.#p = null;
	}));
	constructor(e, t, n, r) {
		this.#e = e, this.#n = t, this.#r = (e) => {
			var t = U;
			t.b = this, t.f |= 128, n(e);
		}, this.parent = U.b, this.transform_error = r ?? this.parent?.transform_error ?? ((e) => e), this.#i = pn(() => {
			if (A) {
				let e = xe(this.#t);
				ve();
				let t = e === "[!";
				if (e.startsWith("[?")) {
					let t = JSON.parse(e.slice(2));
					this.#g(t);
				} else t ? this.#y() : this.#h();
			} else this.#b();
		}, vr), A && (this.#e = j);
	}
	#h() {
		try {
			this.#a = mn(() => this.#r(this.#e));
		} catch (e) {
			this.error(e);
		}
	}
	#g(e) {
		let t = this.#n.failed, { reset: n, invoke_onerror: r } = this.#_(e);
		We(r), t && (this.#s = mn(() => {
			t(this.#e, () => e, () => n);
		}));
	}
	#_(e) {
		var t = !1, n = !1;
		let r = () => {
			this.#v() || (t ? he() : (t = !0, n && Fe(), this.#s !== null && xn(this.#s, () => {
				this.#s = null;
			}), this.#S(() => {
				this.#b();
			})));
		};
		return {
			reset: r,
			invoke_onerror: () => {
				if (!this.#v()) try {
					n = !0, this.#n.onerror?.(e, r), n = !1;
				} catch (e) {
					en(e, this.#i && this.#i.parent);
				}
			}
		};
	}
	#v() {
		return (this.#i.f & (y | x)) !== 0;
	}
	#y() {
		let e = this.#n.pending;
		e && (this.is_pending = !0, this.#o = mn(() => e(this.#e)), We(() => {
			if (!this.#v()) {
				var e = this.#c = document.createDocumentFragment(), t = Kt(), n = !1;
				e.append(t), this.#a = this.#S(() => {
					try {
						return mn(() => this.#r(t));
					} catch (e) {
						try {
							this.error(e), n = !0;
						} catch (e) {
							en(e, this.#i.parent);
						}
						return null;
					}
				}), this.#a === null ? (this.#c = null, n && this.#x(P)) : this.#u === 0 && (this.#e.before(e), this.#c = null, xn(this.#o, () => {
					this.#o = null;
				}), this.#x(P));
			}
		}));
	}
	#b() {
		try {
			if (this.is_pending = this.has_pending_snippet(), this.#u = 0, this.#l = 0, this.#a = mn(() => {
				this.#r(this.#e);
			}), this.#u > 0) {
				var e = this.#c = document.createDocumentFragment();
				Tn(this.#a, e);
				let t = this.#n.pending;
				this.#o = mn(() => t(this.#e));
			} else this.#x(P);
		} catch (e) {
			this.error(e);
		}
	}
	#x(e) {
		this.is_pending = !1, e.transfer_reactions(this.#f);
	}
	defer_effect(e) {
		Je(e, this.#f);
	}
	is_rendered() {
		return !this.is_pending && (!this.parent || this.parent.is_rendered());
	}
	has_pending_snippet() {
		return !!this.#n.pending;
	}
	#S(e) {
		var t = U, n = H, r = Ie;
		jn(this.#i), An(this.#i), Le(this.#i.ctx);
		try {
			return St.ensure(), e();
		} finally {
			jn(t), An(n), Le(r);
		}
	}
	#C(e, t) {
		this.has_pending_snippet() ? (this.#u += e, this.#u === 0 && (this.#x(t), this.#o && xn(this.#o, () => {
			this.#o = null;
		}), this.#c &&= (this.#e.before(this.#c), null))) : this.parent && this.parent.#C(e, t);
	}
	update_pending_count(e, t) {
		this.#C(e, t), this.#l += e, !this.#p || this.#d || (this.#d = !0, We(() => {
			this.#d = !1, this.#p && It(this.#p, this.#l);
		}));
	}
	get_effect_pending() {
		return this.#m(), W(this.#p);
	}
	error(e) {
		if (e === de || !this.#n.onerror && !this.#n.failed) throw e;
		P?.is_fork ? (this.#a && P.skip_effect(this.#a), this.#o && P.skip_effect(this.#o), this.#s && P.skip_effect(this.#s), P.oncommit(() => {
			this.#v() || this.#w(e);
		})) : this.#w(e);
	}
	#w(e) {
		this.#a &&= (vn(this.#a), null), this.#o &&= (vn(this.#o), null), this.#s &&= (vn(this.#s), null), A && (_e(this.#t), ye(), _e(be()));
		let t = this.#n.failed, n = (e) => {
			if (this.#v()) return;
			let { reset: n, invoke_onerror: r } = this.#_(e);
			r(), t && !this.#v() && (this.#s = this.#S(() => {
				try {
					return mn(() => {
						var r = U;
						r.b = this, r.f |= 128, t(this.#e, () => e, () => n);
					});
				} catch (e) {
					return en(e, this.#i.parent), null;
				}
			}));
		};
		We(() => {
			if (!this.#v()) {
				var t;
				try {
					t = this.transform_error(e);
				} catch (e) {
					en(e, this.#i && this.#i.parent);
					return;
				}
				typeof t == "object" && t && typeof t.then == "function" ? t.then(n, (e) => en(e, this.#i && this.#i.parent)) : n(t);
			}
		});
	}
};
function Y(e, t) {
	var n = t == null ? "" : typeof t == "object" ? `${t}` : t;
	n !== (e[se] ??= e.nodeValue) && (e[se] = n, e.nodeValue = `${n}`);
}
function xr(e, t) {
	return Cr(e, t);
}
var Sr = /* @__PURE__ */ new Map();
function Cr(e, { target: t, anchor: n, props: i = {}, events: a, context: o, intro: s = !0, transformError: c }) {
	Gt();
	var l = void 0, u = ln(() => {
		var s = n ?? t.appendChild(Kt());
		yr(s, { pending: () => {} }, (t) => {
			Re({});
			var n = Ie;
			if (o && (n.c = o), a && (i.$$events = a), A && pr(t, null), l = e(t, i) || Be(), A && (U.nodes.end = j, j === null || j.nodeType !== 8 || j.data !== "]")) throw me(), de;
			ze();
		}, c);
		var u = /* @__PURE__ */ new Set(), d = (e) => {
			for (var n = 0; n < e.length; n++) {
				var r = e[n];
				if (!u.has(r)) {
					u.add(r);
					var i = er(r);
					for (let e of [t, document]) {
						var a = Sr.get(e);
						a === void 0 && (a = /* @__PURE__ */ new Map(), Sr.set(e, a));
						var o = a.get(r);
						o === void 0 ? (e.addEventListener(r, lr, { passive: i }), a.set(r, 1)) : a.set(r, o + 1);
					}
				}
			}
		};
		return d(r(nr)), rr.add(d), () => {
			for (var e of u) for (let n of [t, document]) {
				var r = Sr.get(n), i = r.get(e);
				--i == 0 ? (n.removeEventListener(e, lr), r.delete(e), r.size === 0 && Sr.delete(n)) : r.set(e, i);
			}
			rr.delete(d), s !== n && s.parentNode?.removeChild(s);
		};
	});
	return wr.set(l, u), l;
}
var wr = /* @__PURE__ */ new WeakMap();
function Tr(e, t) {
	let n = wr.get(e);
	return n ? (wr.delete(e), n(t)) : Promise.resolve();
}
// node_modules/svelte/src/internal/client/dom/blocks/branches.js
var Er = class {
	anchor;
	#e = /* @__PURE__ */ new Map();
	#t = /* @__PURE__ */ new Map();
	#n = /* @__PURE__ */ new Map();
	#r = /* @__PURE__ */ new Set();
	#i = !0;
	constructor(e, t = !0) {
		this.anchor = e, this.#i = t;
	}
	#a = (e) => {
		if (this.#e.has(e)) {
			var t = this.#e.get(e), n = this.#t.get(t);
			if (n) Cn(n), this.#r.delete(t);
			else {
				var r = this.#n.get(t);
				r && (Cn(r.effect), this.#t.set(t, r.effect), this.#n.delete(t), r.fragment.lastChild.remove(), this.anchor.before(r.fragment), n = r.effect);
			}
			for (let [t, n] of this.#e) {
				if (this.#e.delete(t), t === e) break;
				let r = this.#n.get(n);
				r && (vn(r.effect), this.#n.delete(n));
			}
			for (let [e, r] of this.#t) {
				if (e === t || this.#r.has(e)) continue;
				let i = () => {
					if (Array.from(this.#e.values()).includes(e)) {
						var t = document.createDocumentFragment();
						Tn(r, t), t.append(Kt()), this.#n.set(e, {
							effect: r,
							fragment: t
						});
					} else vn(r);
					this.#r.delete(e), this.#t.delete(e);
				};
				this.#i || !n ? (this.#r.add(e), xn(r, i, !1)) : i();
			}
		}
	};
	#o = (e) => {
		this.#e.delete(e);
		let t = Array.from(this.#e.values());
		for (let [e, n] of this.#n) t.includes(e) || (vn(n.effect), this.#n.delete(e));
	};
	ensure(e, t) {
		var n = P, r = Xt();
		if (t && !this.#t.has(e) && !this.#n.has(e)) {
			if (r) {
				var i = document.createDocumentFragment(), a = Kt();
				i.append(a), this.#n.set(e, {
					effect: mn(() => t(a)),
					fragment: i
				});
			} else this.#t.set(e, mn(() => t(this.anchor)));
		}
		if (this.#e.set(n, e), r) {
			for (let [t, r] of this.#t) t === e ? n.unskip_effect(r) : n.skip_effect(r);
			for (let [t, r] of this.#n) t === e ? n.unskip_effect(r.effect) : n.skip_effect(r.effect);
			n.oncommit(this.#a), n.ondiscard(this.#o);
		} else A && (this.anchor = j), this.#a(n);
	}
};
// node_modules/svelte/src/internal/client/dom/blocks/if.js
function X(e, t, n = !1) {
	var r;
	A && (r = j, ve());
	var i = new Er(e), a = n ? S : 0;
	function o(e, t) {
		if (A) {
			var n = xe(r);
			if (e !== parseInt(n.substring(1))) {
				var a = be();
				_e(a), i.anchor = a, ge(!1), i.ensure(e, t), ge(!0);
				return;
			}
		}
		i.ensure(e, t);
	}
	pn(() => {
		var e = !1;
		t((t, n = 0) => {
			e = !0, o(n, t);
		}), e || o(-1, null);
	}, a);
}
// node_modules/svelte/src/internal/client/dom/blocks/key.js
var Dr = Symbol("NaN");
function Or(e, t, n) {
	A && ve();
	var r = new Er(e), i = !Ve();
	pn(() => {
		var e = t();
		e !== e && (e = Dr), i && typeof e == "object" && e && (e = {}), r.ensure(e, n);
	});
}
// node_modules/svelte/src/internal/client/dom/blocks/each.js
function kr(e, t) {
	return t;
}
function Ar(e, t, n) {
	for (var i = [], a = t.length, o, s = t.length, c = 0; c < a; c++) {
		let n = t[c];
		xn(n, () => {
			if (o) {
				if (o.pending.delete(n), o.done.add(n), o.pending.size === 0) {
					var t = e.outrogroups;
					jr(e, r(o.done)), t.delete(o), t.size === 0 && (e.outrogroups = null);
				}
			} else --s;
		}, !1);
	}
	if (s === 0) {
		var l = i.length === 0 && n !== null && e.pending.size === 0;
		if (l) {
			var u = n, d = u.parentNode;
			Yt(d), d.append(u), e.items.clear();
		}
		jr(e, t, !l);
	} else o = {
		pending: new Set(t),
		done: /* @__PURE__ */ new Set()
	}, (e.outrogroups ??= /* @__PURE__ */ new Set()).add(o);
}
function jr(e, t, n = !0) {
	var r;
	if (e.pending.size > 0) {
		r = /* @__PURE__ */ new Set();
		for (let t of e.pending.values()) for (let n of t) r.add(e.items.get(n).e);
	}
	for (var i = 0; i < t.length; i++) {
		var a = t[i];
		r?.has(a) ? (a.f |= T, Tn(a, document.createDocumentFragment())) : vn(t[i], n);
	}
}
var Mr;
function Z(t, n, i, a, o, s = null) {
	var c = t, l = /* @__PURE__ */ new Map();
	if (n & 4) {
		var u = t;
		c = A ? _e(/* @__PURE__ */ qt(u)) : u.appendChild(Kt());
	}
	A && ve();
	var d = null, f = /* @__PURE__ */ ot(() => {
		var t = i();
		return e(t) ? t : t == null ? [] : r(t);
	}), p = /* @__PURE__ */ new Map(), m = !0;
	function h(e) {
		if (!(_.effect.f & 16384)) {
			_.pending.delete(e);
			var t = W(f);
			_.fallback = d, Pr(_, t, c, n, a), d !== null && (t.length === 0 ? d.f & 33554432 ? (d.f ^= T, Ir(d, null, c)) : Cn(d) : xn(d, () => {
				d = null;
			}));
		}
	}
	function g(e) {
		_.pending.delete(e);
	}
	var _ = {
		effect: pn(() => {
			var e = W(f), t = e.length;
			let r = !1;
			A && xe(c) === "[!" != (t === 0) && (c = be(), _e(c), ge(!1), r = !0);
			for (var u = /* @__PURE__ */ new Set(), _ = P, v = Xt(), y = 0; y < t; y += 1) {
				A && j.nodeType === 8 && j.data === "]" && (c = j, r = !0, ge(!1));
				var b = e[y], x = a(b, y), S = m ? null : l.get(x);
				S ? (S.v && It(S.v, b), S.i && It(S.i, y), v && _.unskip_effect(S.e)) : (S = Fr(l, m ? c : Mr ??= Kt(), b, x, y, o, n, i), m || (S.e.f |= T), l.set(x, S)), u.add(x);
			}
			if (t === 0 && s && !d && (m ? d = mn(() => s(c)) : (d = mn(() => s(Mr ??= Kt())), d.f |= T)), t > u.size && Ee("", "", ""), A && t > 0 && _e(be()), !m) {
				if (p.set(_, u), v) {
					for (let [e, t] of l) u.has(e) || _.skip_effect(t.e);
					_.oncommit(h), _.ondiscard(g);
				} else h(_);
			}
			r && ge(!0), W(f);
		}),
		flags: n,
		items: l,
		pending: p,
		outrogroups: null,
		fallback: d
	};
	m = !1, A && (c = j);
}
function Nr(e) {
	for (; e !== null && !(e.f & 32);) e = e.next;
	return e;
}
function Pr(e, t, n, i, a) {
	var o = !!(i & 8), s = t.length, c = e.items, l = Nr(e.effect.first), u, d = null, f, p = [], m = [], h, g, _, v;
	if (o) for (v = 0; v < s; v += 1) h = t[v], g = a(h, v), _ = c.get(g).e, _.f & 33554432 || (_.nodes?.a?.measure(), (f ??= /* @__PURE__ */ new Set()).add(_));
	for (v = 0; v < s; v += 1) {
		if (h = t[v], g = a(h, v), _ = c.get(g).e, e.outrogroups !== null) for (let t of e.outrogroups) t.pending.delete(_), t.done.delete(_);
		if (_.f & 8192 && (Cn(_), o && (_.nodes?.a?.unfix(), (f ??= /* @__PURE__ */ new Set()).delete(_))), _.f & 33554432) {
			if (_.f ^= T, _ === l) Ir(_, null, n);
			else {
				var y = d ? d.next : l;
				_ === e.effect.last && (e.effect.last = _.prev), _.prev && (_.prev.next = _.next), _.next && (_.next.prev = _.prev), Lr(e, d, _), Lr(e, _, y), Ir(_, y, n), d = _, p = [], m = [], l = Nr(d.next);
				continue;
			}
		}
		if (_ !== l) {
			if (u !== void 0 && u.has(_)) {
				if (p.length < m.length) {
					var b = m[0], x;
					d = b.prev;
					var S = p[0], C = p[p.length - 1];
					for (x = 0; x < p.length; x += 1) Ir(p[x], b, n);
					for (x = 0; x < m.length; x += 1) u.delete(m[x]);
					Lr(e, S.prev, C.next), Lr(e, d, S), Lr(e, C, b), l = b, d = C, --v, p = [], m = [];
				} else u.delete(_), Ir(_, l, n), Lr(e, _.prev, _.next), Lr(e, _, d === null ? e.effect.first : d.next), Lr(e, d, _), d = _;
				continue;
			}
			for (p = [], m = []; l !== null && l !== _;) (u ??= /* @__PURE__ */ new Set()).add(l), m.push(l), l = Nr(l.next);
			if (l === null) continue;
		}
		_.f & 33554432 || p.push(_), d = _, l = Nr(_.next);
	}
	if (e.outrogroups !== null) {
		for (let t of e.outrogroups) t.pending.size === 0 && (jr(e, r(t.done)), e.outrogroups?.delete(t));
		e.outrogroups.size === 0 && (e.outrogroups = null);
	}
	if (l !== null || u !== void 0) {
		var w = [];
		if (u !== void 0) for (_ of u) _.f & 8192 || w.push(_);
		for (; l !== null;) !(l.f & 8192) && l !== e.fallback && w.push(l), l = Nr(l.next);
		var E = w.length;
		if (E > 0) {
			var D = i & 4 && s === 0 ? n : null;
			if (o) {
				for (v = 0; v < E; v += 1) w[v].nodes?.a?.measure();
				for (v = 0; v < E; v += 1) w[v].nodes?.a?.fix();
			}
			Ar(e, w, D);
		}
	}
	o && We(() => {
		if (f !== void 0) for (_ of f) _.nodes?.a?.apply();
	});
}
function Fr(e, t, n, r, i, a, o, s) {
	var c = o & 1 ? o & 16 ? Mt(n) : /* @__PURE__ */ Nt(n, !1, !1) : null, l = o & 2 ? Mt(i) : null;
	return {
		v: c,
		i: l,
		e: mn(() => (a(t, c ?? n, l ?? i, s), () => {
			e.delete(r);
		}))
	};
}
function Ir(e, t, n) {
	if (e.nodes) for (var r = e.nodes.start, i = e.nodes.end, a = t && !(t.f & 33554432) ? t.nodes.start : n; r !== null;) {
		var o = /* @__PURE__ */ Jt(r);
		if (a.before(r), r === i) return;
		r = o;
	}
}
function Lr(e, t, n) {
	t === null ? e.effect.first = n : t.next = n, n === null ? e.effect.last = t : n.prev = t;
}
// node_modules/svelte/src/internal/client/dom/blocks/svelte-component.js
function Rr(e, t, n) {
	var r;
	A && (r = j, ve());
	var i = new Er(e);
	pn(() => {
		var e = t() ?? null;
		if (A && xe(r) === "[" != (e !== null)) {
			var a = be();
			_e(a), i.anchor = a, ge(!1), i.ensure(e, e && ((t) => n(t, e))), ge(!0);
		} else i.ensure(e, e && ((t) => n(t, e)));
	}, S);
}
// node_modules/clsx/dist/clsx.mjs
function zr(e) {
	var t, n, r = "";
	if (typeof e == "string" || typeof e == "number") r += e;
	else if (typeof e == "object") {
		if (Array.isArray(e)) {
			var i = e.length;
			for (t = 0; t < i; t++) e[t] && (n = zr(e[t])) && (r && (r += " "), r += n);
		} else for (n in e) e[n] && (r && (r += " "), r += n);
	}
	return r;
}
function Br() {
	for (var e, t, n = 0, r = "", i = arguments.length; n < i; n++) (e = arguments[n]) && (t = zr(e)) && (r && (r += " "), r += t);
	return r;
}
// node_modules/svelte/src/internal/shared/attributes.js
function Vr(e) {
	return typeof e == "object" ? Br(e) : e ?? "";
}
var Hr = [..." 	\n\r\f\xA0\v﻿"];
function Ur(e, t, n) {
	var r = e == null ? "" : "" + e;
	if (t && (r = r ? r + " " + t : t), n) {
		for (var i of Object.keys(n)) if (n[i]) r = r ? r + " " + i : i;
		else if (r.length) for (var a = i.length, o = 0; (o = r.indexOf(i, o)) >= 0;) {
			var s = o + a;
			(o === 0 || Hr.includes(r[o - 1])) && (s === r.length || Hr.includes(r[s])) ? r = (o === 0 ? "" : r.substring(0, o)) + r.substring(s + 1) : o = s;
		}
	}
	return r === "" ? null : r;
}
function Wr(e, t = !1) {
	var n = t ? " !important;" : ";", r = "";
	for (var i of Object.keys(e)) {
		var a = e[i];
		a != null && a !== "" && (r += " " + i + ": " + a + n);
	}
	return r;
}
function Gr(e) {
	return e[0] !== "-" || e[1] !== "-" ? e.toLowerCase() : e;
}
function Kr(e, t) {
	if (t) {
		var n = "", r, i;
		if (Array.isArray(t) ? (r = t[0], i = t[1]) : r = t, e) {
			e = String(e).replaceAll(/\/\*.*?\*\//g, "").trim();
			var a = !1, o = 0, s = !1, c = [];
			r && c.push(...Object.keys(r).map(Gr)), i && c.push(...Object.keys(i).map(Gr));
			var l = 0, u = -1;
			let t = e.length;
			for (var d = 0; d < t; d++) {
				var f = e[d];
				if (s ? f === "/" && e[d - 1] === "*" && (s = !1) : a ? a === f && (a = !1) : f === "/" && e[d + 1] === "*" ? s = !0 : f === "\"" || f === "'" ? a = f : f === "(" ? o++ : f === ")" && o--, !s && a === !1 && o === 0) {
					if (f === ":" && u === -1) u = d;
					else if (f === ";" || d === t - 1) {
						if (u !== -1) {
							var p = Gr(e.substring(l, u).trim());
							if (!c.includes(p)) {
								f !== ";" && d++;
								var m = e.substring(l, d).trim();
								n += " " + m + ";";
							}
						}
						l = d + 1, u = -1;
					}
				}
			}
		}
		return r && (n += Wr(r)), i && (n += Wr(i, !0)), n = n.trim(), n === "" ? null : n;
	}
	return e == null ? null : String(e);
}
// node_modules/svelte/src/internal/client/dom/elements/class.js
function qr(e, t, n, r, i, a) {
	var o = e[ae];
	if (A || o !== n || o === void 0) {
		var s = Ur(n, r, a);
		A && s === e.getAttribute("class") || (s == null ? e.removeAttribute("class") : t ? e.className = s : e.setAttribute("class", s)), e[ae] = n;
	} else if (a && i !== a) for (var c in a) {
		var l = !!a[c];
		(i == null || l !== !!i[c]) && e.classList.toggle(c, l);
	}
	return a;
}
// node_modules/svelte/src/internal/client/dom/elements/style.js
function Jr(e, t = {}, n, r) {
	for (var i in n) {
		var a = n[i];
		t[i] !== a && (n[i] == null ? e.style.removeProperty(i) : e.style.setProperty(i, a, r));
	}
}
function Yr(e, t, n, r) {
	var i = e[oe];
	if (A || i !== t) {
		var a = Kr(t, r);
		A && a === e.getAttribute("style") || (a == null ? e.removeAttribute("style") : e.style.cssText = a), e[oe] = t;
	} else r && (Array.isArray(r) ? (Jr(e, n?.[0], r[0]), Jr(e, n?.[1], r[1], "important")) : Jr(e, n, r));
	return r;
}
// node_modules/svelte/src/internal/client/dom/elements/attributes.js
var Xr = Symbol("is custom element"), Zr = Symbol("is html"), Qr = ue ? "link" : "LINK", $r = ue ? "progress" : "PROGRESS";
function ei(e) {
	if (A) {
		var t = !1, n = () => {
			if (!t) {
				if (t = !0, e.hasAttribute("value")) {
					var n = e.value;
					Q(e, "value", null), e.value = n;
				}
				if (e.hasAttribute("checked")) {
					var r = e.checked;
					Q(e, "checked", null), e.checked = r;
				}
			}
		};
		e[ce] = n, We(n), Xe();
	}
}
function ti(e, t) {
	var n = ni(e);
	n.value !== (n.value = t ?? void 0) && (e.value !== t || t === 0 && e.nodeName === $r) && (e.value = t ?? "");
}
function Q(e, t, n, r) {
	var i = ni(e);
	if (!(A && (i[t] = e.getAttribute(t), t === "src" || t === "srcset" || t === "href" && e.nodeName === Qr))) {
		var a = i[t];
		a !== (i[t] = n) && (t === "loading" && (e[re] = n), n == null ? e.removeAttribute(t) : typeof n != "string" && ii(e).has(t) ? e[t] = n : (!A || typeof n != "number" && typeof n != "boolean" || a !== String(n)) && e.setAttribute(t, n));
	}
}
function ni(e) {
	return e[ie] ??= {
		[Xr]: e.nodeName.includes("-"),
		[Zr]: e.namespaceURI === fe
	};
}
var ri = /* @__PURE__ */ new Map();
function ii(e) {
	var t = e.getAttribute("is") || e.nodeName, n = ri.get(t);
	if (n) return n;
	ri.set(t, n = /* @__PURE__ */ new Set());
	for (var r, i = e, a = Element.prototype; a !== i;) {
		for (var s in r = o(i), r) r[s].set && s !== "innerHTML" && s !== "textContent" && s !== "innerText" && n.add(s);
		i = l(i);
	}
	return n;
}
// node_modules/svelte/src/internal/client/dom/elements/bindings/input.js
function ai(e, t, n = t) {
	Qe(e, "change", (t) => {
		n(t ? e.defaultChecked : e.checked);
	}), (A && e.defaultChecked !== e.checked || Qn(t) == null) && n(e.checked), fn(() => {
		e.checked = !!t();
	});
}
var oi = /* @__PURE__ */ new class e {
	#e = /* @__PURE__ */ new WeakMap();
	#t;
	#n;
	static entries = /* @__PURE__ */ new WeakMap();
	constructor(e) {
		this.#n = e;
	}
	observe(e, t) {
		var n = this.#e.get(e) || /* @__PURE__ */ new Set();
		return n.add(t), this.#e.set(e, n), this.#r().observe(e, this.#n), () => {
			var n = this.#e.get(e);
			n.delete(t), n.size === 0 && (this.#e.delete(e), this.#t.unobserve(e));
		};
	}
	#r() {
		return this.#t ??= new ResizeObserver((t) => {
			for (var n of t) {
				e.entries.set(n.target, n);
				for (var r of this.#e.get(n.target) || []) r(n);
			}
		});
	}
}({ box: "border-box" });
function si(e, t, n) {
	var r = oi.observe(e, () => n(e[t]));
	un(() => (Qn(() => n(e[t])), r));
}
// node_modules/svelte/src/internal/client/dom/elements/bindings/this.js
function ci(e, t) {
	return e === t || e?.[O] === t;
}
function li(e = Be(), t, n, r) {
	var i = Ie.r, a = U;
	return un(() => {
		var o, s;
		return fn(() => {
			o = s, s = r?.() || [], Qn(() => {
				ci(n(...s), e) || (t(e, ...s), o && ci(n(...o), e) && t(null, ...o));
			});
		}), () => {
			let r = a;
			for (; r !== i && r.parent !== null && r.parent.f & 33554432;) r = r.parent;
			let o = () => {
				s && ci(n(...s), e) && t(null, ...s);
			}, c = r.teardown;
			r.teardown = () => {
				o(), c?.();
			};
		};
	}), e;
}
// node_modules/svelte/src/internal/client/dom/elements/bindings/universal.js
function ui(e, t, n, r, i) {
	var a = () => {
		r(n[e]);
	};
	n.addEventListener(t, a), i ? fn(() => {
		n[e] = i();
	}) : a(), (n === document.body || n === window || n === document) && on(() => {
		n.removeEventListener(t, a);
	});
}
// node_modules/svelte/src/internal/client/reactivity/store.js
var di = !1;
function fi(e) {
	var t = di;
	try {
		return di = !1, [e(), di];
	} finally {
		di = t;
	}
}
// node_modules/svelte/src/internal/client/reactivity/props.js
function pi(e, t, n, r) {
	var i = !0, o = !!(n & 8), s = !!(n & 16), c = r, l = !0, u = void 0, d = () => s && i ? (u ??= /* @__PURE__ */ rt(r), W(u)) : (l && (l = !1, c = s ? Qn(r) : r), c);
	let f;
	if (o) {
		var p = O in e || ne in e;
		f = a(e, t)?.set ?? (p && t in e ? (n) => e[t] = n : void 0);
	}
	var m, h = !1;
	o ? [m, h] = fi(() => e[t]) : m = e[t], m === void 0 && r !== void 0 && (m = d(), f && (i && je(t), f(m)));
	var g = i ? () => {
		var n = e[t];
		return n === void 0 ? d() : (l = !0, n);
	} : () => {
		var n = e[t];
		return n !== void 0 && (c = void 0), n === void 0 ? c : n;
	};
	if (i && !(n & 4)) return g;
	if (f) {
		var _ = e.$$legacy;
		return (function(e, t) {
			return arguments.length > 0 ? ((!i || !t || _ || h) && f(t ? g() : e), e) : g();
		});
	}
	var v = !1, y = (n & 1 ? rt : ot)(() => (v = !1, g()));
	o && W(y);
	var b = U;
	return (function(e, t) {
		if (arguments.length > 0) {
			let n = t ? W(y) : i && o ? Bt(e) : e;
			return I(y, n), v = !0, c !== void 0 && (c = n), e;
		}
		return Dn && v || b.f & 16384 ? y.v : W(y);
	});
}
// node_modules/svelte/src/internal/disclose-version.js
typeof window < "u" && ((window.__svelte ??= {}).v ??= /* @__PURE__ */ new Set()).add("5");
// node_modules/d3-shape/src/constant.js
function mi(e) {
	return function() {
		return e;
	};
}
// node_modules/d3-path/dist/d3-path.mjs
var hi = Math.PI, gi = 2 * hi, _i = 1e-6, vi = gi - _i;
function yi(e) {
	this._ += e[0];
	for (let t = 1, n = e.length; t < n; ++t) this._ += arguments[t] + e[t];
}
function bi(e) {
	let t = Math.floor(e);
	if (!(t >= 0)) throw Error(`invalid digits: ${e}`);
	if (t > 15) return yi;
	let n = 10 ** t;
	return function(e) {
		this._ += e[0];
		for (let t = 1, r = e.length; t < r; ++t) this._ += Math.round(arguments[t] * n) / n + e[t];
	};
}
function xi(e, t, n, r) {
	return e === n && t === r;
}
function Si(e) {
	let t = Math.floor(e);
	if (!(t <= 15)) return xi;
	let n = 10 ** t, r = function(e) {
		return Math.round(e * n);
	};
	return function(e, t, n, i) {
		return r(e) === r(n) && r(t) === r(i);
	};
}
var Ci = class {
	constructor(e) {
		this._x0 = this._y0 = this._x1 = this._y1 = null, this._ = "", this._append = e == null ? yi : bi(e), this._equal = e == null ? xi : Si(e);
	}
	moveTo(e, t) {
		this._append`M${this._x0 = this._x1 = +e},${this._y0 = this._y1 = +t}`;
	}
	closePath() {
		this._x1 !== null && (this._x1 = this._x0, this._y1 = this._y0, this._append`Z`);
	}
	lineTo(e, t) {
		this._append`L${this._x1 = +e},${this._y1 = +t}`;
	}
	quadraticCurveTo(e, t, n, r) {
		this._append`Q${+e},${+t},${this._x1 = +n},${this._y1 = +r}`;
	}
	bezierCurveTo(e, t, n, r, i, a) {
		this._append`C${+e},${+t},${+n},${+r},${this._x1 = +i},${this._y1 = +a}`;
	}
	arcTo(e, t, n, r, i) {
		if (e = +e, t = +t, n = +n, r = +r, i = +i, i < 0) throw Error(`negative radius: ${i}`);
		let a = this._x1, o = this._y1, s = n - e, c = r - t, l = a - e, u = o - t, d = l * l + u * u;
		if (this._x1 === null) this._append`M${this._x1 = e},${this._y1 = t}`;
		else if (d > _i) {
			if (!(Math.abs(u * s - c * l) > _i) || !i) this._append`L${this._x1 = e},${this._y1 = t}`;
			else {
				let f = n - a, p = r - o, m = s * s + c * c, h = f * f + p * p, g = Math.sqrt(m), _ = Math.sqrt(d), v = i * Math.tan((hi - Math.acos((m + d - h) / (2 * g * _))) / 2), y = v / _, b = v / g;
				Math.abs(y - 1) > _i && this._append`L${e + y * l},${t + y * u}`, this._append`A${i},${i},0,0,${+(u * f > l * p)},${this._x1 = e + b * s},${this._y1 = t + b * c}`;
			}
		}
	}
	arc(e, t, n, r, i, a) {
		if (e = +e, t = +t, n = +n, a = !!a, n < 0) throw Error(`negative radius: ${n}`);
		let o = n * Math.cos(r), s = n * Math.sin(r), c = e + o, l = t + s, u = 1 ^ a, d = a ? r - i : i - r;
		if (this._x1 === null ? this._append`M${c},${l}` : (Math.abs(this._x1 - c) > _i || Math.abs(this._y1 - l) > _i) && this._append`L${c},${l}`, n) {
			if (d < 0 && (d = d % gi + gi), d > vi) this._append`A${n},${n},0,1,${u},${e - o},${t - s}A${n},${n},0,1,${u},${this._x1 = c},${this._y1 = l}`;
			else if (d > _i) {
				let a = e + n * Math.cos(i), o = t + n * Math.sin(i);
				if (d >= hi && this._equal(c, l, a, o)) {
					d /= 2;
					let i = r + d;
					this._append`A${n},${n},0,${+(d >= hi)},${u},${e + n * Math.cos(i)},${t + n * Math.sin(i)}`;
				}
				this._append`A${n},${n},0,${+(d >= hi)},${u},${this._x1 = a},${this._y1 = o}`;
			}
		}
	}
	rect(e, t, n, r) {
		this._append`M${this._x0 = this._x1 = +e},${this._y0 = this._y1 = +t}h${n = +n}v${+r}h${-n}Z`;
	}
	toString() {
		return this._;
	}
};
Ci.prototype;
// node_modules/d3-shape/src/path.js
function wi(e) {
	let t = 3;
	return e.digits = function(n) {
		if (!arguments.length) return t;
		if (n == null) t = null;
		else {
			let e = Math.floor(n);
			if (!(e >= 0)) throw RangeError(`invalid digits: ${n}`);
			t = e;
		}
		return e;
	}, () => new Ci(t);
}
// node_modules/d3-shape/src/array.js
var Ti = Array.prototype.slice;
function Ei(e) {
	return typeof e == "object" && "length" in e ? e : Array.from(e);
}
// node_modules/d3-shape/src/curve/linear.js
function Di(e) {
	this._context = e;
}
Di.prototype = {
	areaStart: function() {
		this._line = 0;
	},
	areaEnd: function() {
		this._line = NaN;
	},
	lineStart: function() {
		this._point = 0;
	},
	lineEnd: function() {
		(this._line || this._line !== 0 && this._point === 1) && this._context.closePath(), this._line = 1 - this._line;
	},
	point: function(e, t) {
		switch (e = +e, t = +t, this._point) {
			case 0:
				this._point = 1, this._line ? this._context.lineTo(e, t) : this._context.moveTo(e, t);
				break;
			case 1: this._point = 2;
			default: this._context.lineTo(e, t);
		}
	}
};
function Oi(e) {
	return new Di(e);
}
// node_modules/d3-shape/src/point.js
function ki(e) {
	return e[0];
}
function Ai(e) {
	return e[1];
}
// node_modules/d3-shape/src/line.js
function ji(e, t) {
	var n = mi(!0), r = null, i = Oi, a = null, o = wi(s);
	e = typeof e == "function" ? e : e === void 0 ? ki : mi(e), t = typeof t == "function" ? t : t === void 0 ? Ai : mi(t);
	function s(s) {
		var c, l = (s = Ei(s)).length, u, d = !1, f;
		for (r ?? (a = i(f = o())), c = 0; c <= l; ++c) !(c < l && n(u = s[c], c, s)) === d && ((d = !d) ? a.lineStart() : a.lineEnd()), d && a.point(+e(u, c, s), +t(u, c, s));
		if (f) return a = null, f + "" || null;
	}
	return s.x = function(t) {
		return arguments.length ? (e = typeof t == "function" ? t : mi(+t), s) : e;
	}, s.y = function(e) {
		return arguments.length ? (t = typeof e == "function" ? e : mi(+e), s) : t;
	}, s.defined = function(e) {
		return arguments.length ? (n = typeof e == "function" ? e : mi(!!e), s) : n;
	}, s.curve = function(e) {
		return arguments.length ? (i = e, r != null && (a = i(r)), s) : i;
	}, s.context = function(e) {
		return arguments.length ? (e == null ? r = a = null : a = i(r = e), s) : r;
	}, s;
}
// node_modules/d3-shape/src/area.js
function Mi(e, t, n) {
	var r = null, i = mi(!0), a = null, o = Oi, s = null, c = wi(l);
	e = typeof e == "function" ? e : e === void 0 ? ki : mi(+e), t = typeof t == "function" ? t : mi(t === void 0 ? 0 : +t), n = typeof n == "function" ? n : n === void 0 ? Ai : mi(+n);
	function l(l) {
		var u, d, f, p = (l = Ei(l)).length, m, h = !1, g, _ = Array(p), v = Array(p);
		for (a ?? (s = o(g = c())), u = 0; u <= p; ++u) {
			if (!(u < p && i(m = l[u], u, l)) === h) {
				if (h = !h) d = u, s.areaStart(), s.lineStart();
				else {
					for (s.lineEnd(), s.lineStart(), f = u - 1; f >= d; --f) s.point(_[f], v[f]);
					s.lineEnd(), s.areaEnd();
				}
			}
			h && (_[u] = +e(m, u, l), v[u] = +t(m, u, l), s.point(r ? +r(m, u, l) : _[u], n ? +n(m, u, l) : v[u]));
		}
		if (g) return s = null, g + "" || null;
	}
	function u() {
		return ji().defined(i).curve(o).context(a);
	}
	return l.x = function(t) {
		return arguments.length ? (e = typeof t == "function" ? t : mi(+t), r = null, l) : e;
	}, l.x0 = function(t) {
		return arguments.length ? (e = typeof t == "function" ? t : mi(+t), l) : e;
	}, l.x1 = function(e) {
		return arguments.length ? (r = e == null ? null : typeof e == "function" ? e : mi(+e), l) : r;
	}, l.y = function(e) {
		return arguments.length ? (t = typeof e == "function" ? e : mi(+e), n = null, l) : t;
	}, l.y0 = function(e) {
		return arguments.length ? (t = typeof e == "function" ? e : mi(+e), l) : t;
	}, l.y1 = function(e) {
		return arguments.length ? (n = e == null ? null : typeof e == "function" ? e : mi(+e), l) : n;
	}, l.lineX0 = l.lineY0 = function() {
		return u().x(e).y(t);
	}, l.lineY1 = function() {
		return u().x(e).y(n);
	}, l.lineX1 = function() {
		return u().x(r).y(t);
	}, l.defined = function(e) {
		return arguments.length ? (i = typeof e == "function" ? e : mi(!!e), l) : i;
	}, l.curve = function(e) {
		return arguments.length ? (o = e, a != null && (s = o(a)), l) : o;
	}, l.context = function(e) {
		return arguments.length ? (e == null ? a = s = null : s = o(a = e), l) : a;
	}, l;
}
// node_modules/d3-shape/src/curve/bump.js
var Ni = class {
	constructor(e, t) {
		this._context = e, this._x = t;
	}
	areaStart() {
		this._line = 0;
	}
	areaEnd() {
		this._line = NaN;
	}
	lineStart() {
		this._point = 0;
	}
	lineEnd() {
		(this._line || this._line !== 0 && this._point === 1) && this._context.closePath(), this._line = 1 - this._line;
	}
	point(e, t) {
		switch (e = +e, t = +t, this._point) {
			case 0:
				this._point = 1, this._line ? this._context.lineTo(e, t) : this._context.moveTo(e, t);
				break;
			case 1: this._point = 2;
			default: this._x ? this._context.bezierCurveTo(this._x0 = (this._x0 + e) / 2, this._y0, this._x0, t, e, t) : this._context.bezierCurveTo(this._x0, this._y0 = (this._y0 + t) / 2, e, this._y0, e, t);
		}
		this._x0 = e, this._y0 = t;
	}
};
function Pi(e) {
	return new Ni(e, !0);
}
function Fi(e) {
	return new Ni(e, !1);
}
// node_modules/d3-shape/src/link.js
function Ii(e) {
	return e.source;
}
function Li(e) {
	return e.target;
}
function Ri(e) {
	let t = Ii, n = Li, r = ki, i = Ai, a = null, o = null, s = wi(c);
	function c() {
		let c, l = Ti.call(arguments), u = t.apply(this, l), d = n.apply(this, l);
		if (a ?? (o = e(c = s())), o.lineStart(), l[0] = u, o.point(+r.apply(this, l), +i.apply(this, l)), l[0] = d, o.point(+r.apply(this, l), +i.apply(this, l)), o.lineEnd(), c) return o = null, c + "" || null;
	}
	return c.source = function(e) {
		return arguments.length ? (t = e, c) : t;
	}, c.target = function(e) {
		return arguments.length ? (n = e, c) : n;
	}, c.x = function(e) {
		return arguments.length ? (r = typeof e == "function" ? e : mi(+e), c) : r;
	}, c.y = function(e) {
		return arguments.length ? (i = typeof e == "function" ? e : mi(+e), c) : i;
	}, c.context = function(t) {
		return arguments.length ? (t == null ? a = o = null : o = e(a = t), c) : a;
	}, c;
}
function zi() {
	return Ri(Pi);
}
function Bi() {
	return Ri(Fi);
}
// src/draw/thinning.ts
function Vi(e, t) {
	let n = e.length;
	if (n <= t) return Array.from({ length: n }, (e, t) => t);
	let r = Math.ceil(n / (t / 2)), i = [];
	for (let t = 0; t < n; t += r) {
		let [a, o] = [-1, -1];
		for (let i = t; i < Math.min(t + r, n); i++) Number.isFinite(e[i]) && ((a < 0 || e[i] < e[a]) && (a = i), (o < 0 || e[i] > e[o]) && (o = i));
		a < 0 ? i.push(t) : i.push(.../* @__PURE__ */ new Set([Math.min(a, o), Math.max(a, o)]));
	}
	return i;
}
function Hi(e, t) {
	let n = [];
	for (let t = 0; t < e.length; t++) Number.isNaN(e[t]) || n.push(t);
	return n.sort((t, n) => Math.abs(e[n]) - Math.abs(e[t])), n.slice(0, t);
}
// src/text/tokens.ts
var Ui = {
	" ": "␣",
	"\n": "⏎",
	"\r": "␍",
	"	": "⇥",
	"\xA0": "⍽",
	"": "␡"
};
function Wi(e) {
	if (e === "") return "∅";
	let t = e.replace(/^ +| +$/g, "");
	if (t === "") return "␣".repeat(e.length);
	let n = e.length - e.replace(/^ +/, "").length, r = e.length - n - t.length, i = Array.from(t, (e) => e === " " ? e : Ui[e] ?? Gi(e)).join("");
	return "␣".repeat(n) + i + "␣".repeat(r);
}
function $(e) {
	return e === e.trim() && e !== "" && !/[\p{Cc}\p{Cf}\p{Cs}]/u.test(e) ? e : Wi(e);
}
function Gi(e) {
	let t = e.codePointAt(0);
	return t < 32 ? String.fromCodePoint(9216 + t) : t >= 55296 && t <= 57343 ? "�" : /\p{Cf}/u.test(e) && e !== "‍" ? `⟨U+${t.toString(16).toUpperCase().padStart(4, "0")}⟩` : e;
}
function Ki(e) {
	let t = 0;
	for (let n of e) /\p{Mn}/u.test(n) || (t += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(n) ? 2 : 1);
	return t;
}
function qi(e, t) {
	if (Ki(e) <= t) return e;
	let n = "", r = 0;
	for (let i of e) {
		if (r += Ki(i), r > Math.max(t - 1, 0)) break;
		n += i;
	}
	return `${n}…`;
}
// src/kinds/Arcs.svelte
var Ji = /* @__PURE__ */ q("<path></path>"), Yi = /* @__PURE__ */ q("<text role=\"presentation\"> </text>"), Xi = /* @__PURE__ */ q("<text class=\"iw-up\"> </text>"), Zi = /* @__PURE__ */ K("<p class=\"iw-note\"> </p>"), Qi = /* @__PURE__ */ K("<div class=\"iw-scroll tall svelte-j5c7oi\"><svg role=\"img\"><text class=\"iw-row\" y=\"10\">from</text><text class=\"iw-up\" y=\"10\">to</text><!><!><!></svg></div> <!>", 1);
function $i(e, t) {
	Re(t, !0);
	let [n, r, i, a] = [
		17,
		150,
		380,
		24
	], o = /* @__PURE__ */ N(() => a + Math.max(t.queries.length, t.keys.length) * n + 4), s = (e) => a + (e + .5) * n, c = zi(), l = /* @__PURE__ */ N(() => {
		let e = (t.brushed === null ? [...t.queries.keys()] : [t.brushed]).flatMap((e) => t.keys.map((n, r) => ({
			query: e,
			key: r,
			value: t.at(e, r)
		}))).filter(({ value: e }) => e !== 0 && e === e), n = Hi(e.map(({ value: e }) => e), 600).map((t) => e[t]);
		return {
			kept: n,
			hidden: e.length - n.length,
			weakest: n.length ? Math.abs(n[n.length - 1].value) : 0
		};
	});
	var u = Qi(), d = R(u), f = L(d), p = L(f), m = B(p), h = B(m);
	Z(h, 17, () => W(l).kept, ({ query: e, key: t, value: n }) => `${e} ${t}`, (e, n) => {
		let a = () => W(n).query, o = () => W(n).key, l = () => W(n).value;
		var u = Ji();
		let d;
		V((e, t, n) => {
			Q(u, "stroke-width", e), Q(u, "stroke-opacity", t), Q(u, "d", n), d = qr(u, 0, "svelte-j5c7oi", null, d, { negative: l() < 0 });
		}, [
			() => 1 + 2 * Math.abs(l()) / t.limit,
			() => Math.min(1, Math.abs(l()) / t.limit),
			() => c({
				source: [r, s(a())],
				target: [i, s(o())]
			})
		]), J(e, u);
	});
	var g = B(h);
	Z(g, 17, () => t.queries, kr, (e, n, i) => {
		var a = Yi();
		let o;
		var c = z(a);
		V((e, n) => {
			o = qr(a, 0, "iw-row svelte-j5c7oi", null, o, { shown: t.brushed === i }), Q(a, "x", r - 8), Q(a, "y", e), Y(c, `${i} ${n ?? ""}`);
		}, [() => s(i), () => qi(Wi(W(n)), 16)]), ar("pointerenter", a, () => t.onbrush(i)), J(e, a);
	}), Z(B(g), 17, () => t.keys, kr, (e, t, n) => {
		var r = Xi(), a = z(r);
		V((e, t) => {
			Q(r, "x", i + 8), Q(r, "y", e), Y(a, `${n} ${t ?? ""}`);
		}, [() => s(n), () => qi(Wi(W(t)), 16)]), J(e, r);
	}), M(f), M(d);
	var _ = B(d, 2), v = (e) => {
		var t = Zi(), n = z(t);
		V((e) => Y(n, `The strongest ${W(l).kept.length ?? ""} lines are drawn; ${e ?? ""} weaker ones are hidden. Choose a token for all of its own.`), [() => W(l).hidden.toLocaleString("en")]), J(e, t);
	};
	X(_, (e) => {
		W(l).hidden && e(v);
	}), V(() => {
		Q(f, "aria-label", `Lines from ${t.queries.length ?? ""} tokens to what they attend to`), Q(f, "width", r + i), Q(f, "height", W(o)), Q(p, "x", r - 8), Q(m, "x", i + 8);
	}), ar("pointerleave", f, () => t.onbrush(null)), J(e, u), ze();
}
// src/draw/colour.ts
function ea(e) {
	let t = 0, n = !1;
	for (let r = 0; r < e.length; r++) {
		let i = e[r];
		i < 0 && (n = !0);
		let a = Math.abs(i);
		a > t && a !== Infinity && (t = a);
	}
	return {
		limit: t || 1,
		isSigned: n
	};
}
function ta(e, t) {
	return Math.max(-1, Math.min(1, e / t));
}
function na(e, t) {
	let n = t < 0 ? e.negative : e.positive, r = Math.abs(t);
	return e.ground.map((e, t) => Math.round(e + r * (n[t] - e)));
}
function ra(e, t) {
	if (Number.isNaN(t)) return e.text;
	let n = ia(na(e, t)), r = (e) => {
		let [t, r] = [n, ia(sa(e))].sort((e, t) => e - t);
		return (r + .05) / (t + .05);
	};
	return r(e.on) >= r(e.onStrong) ? e.on : e.onStrong;
}
function ia(e) {
	let [t, n, r] = e.map((e) => e / 255 <= .04045 ? e / 255 / 12.92 : ((e / 255 + .055) / 1.055) ** 2.4);
	return .2126 * t + .7152 * n + .0722 * r;
}
function aa(e, t) {
	return `rgb(${na(e, t).join(",")})`;
}
function oa(e) {
	let t = /* @__PURE__ */ new Uint32Array(511);
	for (let n = 0; n < t.length; n++) {
		let [r, i, a] = na(e, (n - 255) / 255);
		t[n] = 255 << 24 | a << 16 | i << 8 | r;
	}
	return t;
}
function sa(e) {
	let t = e.trim().replace("#", ""), n = t.length === 3 ? t.replace(/./g, "$&$&") : t;
	return [
		0,
		2,
		4
	].map((e) => parseInt(n.slice(e, e + 2), 16));
}
function ca(e) {
	let t = getComputedStyle(e), n = (e) => t.getPropertyValue(`--${e}`).trim();
	return {
		ground: sa(n("bg")),
		positive: sa(n("pos")),
		negative: sa(n("neg")),
		text: n("text"),
		soft: n("soft"),
		line: n("line"),
		on: n("on"),
		onStrong: n("on-hi")
	};
}
// src/draw/heads.ts
function la(e, t) {
	if (t) return Math.max(1, Math.min(t, e.length));
	let n = e.map((e) => /^(\d+)\.(\d+)$/.exec(e)?.[1]), r = /* @__PURE__ */ new Map();
	for (let e of n) r.set(e, (r.get(e) ?? 0) + 1);
	let i = [...new Set(r.values())];
	return !r.has(void 0) && i.length === 1 && n.every((e, t) => t % i[0] === 0 || e === n[t - 1]) && (i[0] > 1 || e.length === 1) ? i[0] : Math.min(e.length, 12);
}
// src/keyboard/moves.ts
var ua = 10;
function da(e, t, n, r, i = !1, a = n * r) {
	let { row: o, column: s } = e;
	if (t === "ArrowUp") --o;
	else if (t === "ArrowDown") o += 1;
	else if (t === "ArrowLeft") --s;
	else if (t === "ArrowRight") s += 1;
	else if (t === "PageUp") o -= ua;
	else if (t === "PageDown") o += ua;
	else if (t === "Home") [o, s] = i ? [0, 0] : [o, 0];
	else if (t === "End") [o, s] = i ? [n - 1, r - 1] : [o, r - 1];
	else return null;
	for (o = Math.min(n - 1, Math.max(0, o)), s = Math.min(r - 1, Math.max(0, s)); o * r + s >= a;) s > 0 && o === n - 1 && t !== "ArrowDown" ? --s : --o;
	return {
		row: o,
		column: s
	};
}
// src/parts/theme.svelte.ts
var fa = matchMedia("(prefers-color-scheme: dark)"), pa = new class {
	#e = /* @__PURE__ */ F("system");
	get chosen() {
		return W(this.#e);
	}
	set chosen(e) {
		I(this.#e, e, !0);
	}
	#t = /* @__PURE__ */ F(0);
	get version() {
		return W(this.#t);
	}
	set version(e) {
		I(this.#t, e, !0);
	}
	constructor() {
		fa.addEventListener("change", () => this.version++);
	}
	next() {
		let e = [
			"system",
			"light",
			"dark"
		];
		this.choose(e[(e.indexOf(this.chosen) + 1) % e.length]);
	}
	choose(e) {
		this.chosen = e;
		for (let t of document.querySelectorAll("html:has(> body.iw), .iw, .iw-live")) e === "system" ? delete t.dataset.theme : t.dataset.theme = e;
		this.version++;
	}
}();
// src/text/numbers.ts
function ma(e, t = 3) {
	if (Number.isNaN(e)) return "NaN";
	if (!Number.isFinite(e)) return e > 0 ? "∞" : "−∞";
	if (Number.isInteger(e) && Math.abs(e) < 1e6) return ba(String(e));
	let n = Math.abs(e);
	return ba(n >= 1e6 || n < .001 ? ya(e.toExponential(t - 1)) : e.toFixed(Math.max(0, t - 1 - Math.floor(Math.log10(n)))));
}
function ha(e, t = 3) {
	return e > 0 ? `+${ma(e, t)}` : ma(e, t);
}
function ga(e, t, n = 3) {
	if (!Number.isFinite(e) || t >= 1e5 || t < 1e-4) return ma(e, 2);
	let r = Math.min(5, Math.max(0, n - 1 - Math.floor(Math.log10(t)))), i = e.toFixed(r);
	return Number(i) === 0 ? i.replace("-", "") : ba(i);
}
function _a(e, t = "float64") {
	if (!Number.isFinite(e)) return ma(e);
	if (t !== "float32" && t !== "float16") return String(e);
	for (let n = 1; n <= 9; n++) {
		let r = e.toPrecision(n);
		if (t === "float32" ? Math.fround(Number(r)) === e : va(Number(r), e)) return String(Number(r));
	}
	return String(e);
}
function va(e, t) {
	let n = 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(t) || 1))) - 10);
	return Math.abs(e - t) < n / 2;
}
function ya(e) {
	let [t, n] = e.split("e");
	return `${t.includes(".") ? t.replace(/\.?0+$/, "") : t}e${n.replace("+", "")}`;
}
function ba(e) {
	return e.replace(/^-/, "−");
}
function xa(e, t, n = `${t}s`) {
	return `${e.toLocaleString("en")} ${e === 1 ? t : n}`;
}
// src/kinds/HeadGrid.svelte
var Sa = /* @__PURE__ */ q("<text class=\"iw-row\"> </text>"), Ca = /* @__PURE__ */ q("<svg class=\"rows svelte-kwes4l\" aria-hidden=\"true\"></svg>"), wa = /* @__PURE__ */ K("<label><input type=\"checkbox\"/> highest score first</label>"), Ta = /* @__PURE__ */ K("<div></div> <div class=\"iw-scroll\"><div class=\"heads svelte-kwes4l\"><!> <div class=\"cells svelte-kwes4l\" role=\"application\" tabindex=\"0\"><canvas aria-hidden=\"true\" class=\"svelte-kwes4l\"></canvas> <span class=\"mark svelte-kwes4l\"></span></div></div></div> <div class=\"bar\" data-no-export=\"\"><span class=\"readout\" aria-live=\"polite\"> </span> <!> <span class=\"hint\"> </span></div>", 1);
function Ea(e, t) {
	Re(t, !0);
	let n = pi(t, "head", 15), r = /* @__PURE__ */ F(0), i = /* @__PURE__ */ F(void 0), a = /* @__PURE__ */ F(null), o = /* @__PURE__ */ F(!1), s = /* @__PURE__ */ N(() => W(o) ? Math.min(t.heads.length, 12) : la(t.heads, t.across)), c = /* @__PURE__ */ N(() => Math.ceil(t.heads.length / W(s))), l = /* @__PURE__ */ N(() => Math.max(18, Math.min(64, Math.floor(((W(r) || 760) - 26) / W(s)) - 6))), u = /* @__PURE__ */ N(() => W(l) + 6), d = /* @__PURE__ */ N(() => t.scores ? 4 : 0), f = /* @__PURE__ */ N(() => {
		let e = [...t.heads.keys()];
		return W(o) && t.scores ? e.sort((e, n) => (t.scores[n] || -Infinity) - (t.scores[e] || -Infinity)) : e;
	}), p = /* @__PURE__ */ N(() => t.scores && Math.max(...Array.from(t.scores, (e) => Math.abs(e) || 0)) || 1), m = /* @__PURE__ */ N(() => W(a) ?? n()), h = (e) => `head ${t.heads[e]}${t.scores ? `, ${t.scoreTitle} ${ha(t.scores[e])}` : ""}`;
	sn(() => {
		if (pa.version, W(i) === void 0 || W(r) === 0) return;
		let e = Math.min(devicePixelRatio || 1, 2);
		W(i).width = Math.round(W(s) * W(u) * e), W(i).height = Math.round(W(c) * (W(u) + W(d)) * e);
		let n = W(i).getContext("2d"), a = ca(W(i)), o = oa(a), m = Math.round(W(l) * e), h = new ImageData(m, m), g = new Uint32Array(h.data.buffer), _ = o[255];
		W(f).forEach((r, i) => {
			let [c, l] = [i % W(s) * W(u) * e, Math.floor(i / W(s)) * (W(u) + W(d)) * e], f = t.patterns.thumbnail(r, m), v = t.patterns.limit(r) || 1;
			for (let e = 0; e < f.length; e++) g[e] = f[e] === f[e] ? o[255 + Math.round(255 * ta(f[e], v))] : _;
			n.putImageData(h, Math.round(c), Math.round(l)), n.strokeStyle = a.line, n.strokeRect(Math.round(c) + .5, Math.round(l) + .5, m - 1, m - 1), t.scores && t.scores[r] === t.scores[r] && (n.fillStyle = `rgb(${(t.scores[r] < 0 ? a.negative : a.positive).join(",")})`, n.fillRect(Math.round(c), Math.round(l) + m + 1, m * Math.abs(t.scores[r]) / W(p), 3 * e));
		});
	});
	function g(e) {
		let t = W(i).getBoundingClientRect(), n = Math.floor((e.clientX - t.left) / W(u)), r = Math.floor((e.clientY - t.top) / (W(u) + W(d))), a = r * W(s) + n;
		return n >= 0 && n < W(s) && r >= 0 && a < W(f).length ? W(f)[a] : null;
	}
	function _(e) {
		let r = W(f).indexOf(n()), i = da({
			row: Math.floor(r / W(s)),
			column: r % W(s)
		}, e.key, W(c), W(s), e.ctrlKey, t.heads.length);
		i !== null && (e.preventDefault(), I(a, null), n(W(f)[i.row * W(s) + i.column]));
	}
	let v = /* @__PURE__ */ N(() => W(f).indexOf(n())), y = /* @__PURE__ */ N(() => !W(o) && t.heads.every((e) => /^\d+\.\d+$/.test(e)));
	var b = Ta(), x = R(b), S = B(x, 2), C = L(S);
	let w;
	var T = L(C), E = (e) => {
		var n = Ca();
		Q(n, "width", 26), Z(n, 21, () => ({ length: W(c) }), kr, (e, n, r) => {
			var i = Sa();
			Q(i, "x", 19);
			var a = z(i, !0);
			V((e) => {
				Q(i, "y", r * (W(u) + W(d)) + W(l) / 2), Y(a, e);
			}, [() => t.heads[r * W(s)].split(".")[0]]), J(e, i);
		}), M(n), V(() => Q(n, "height", W(c) * (W(u) + W(d)))), J(e, n);
	};
	X(T, (e) => {
		W(y) && e(E);
	});
	var D = B(T, 2);
	let ee;
	var O = L(D);
	let te;
	li(O, (e) => I(i, e), () => W(i));
	var ne = B(O, 2);
	let re;
	M(D), M(C), M(S);
	var ie = B(S, 2), ae = L(ie), oe = z(ae, !0), se = B(ae, 2), ce = (e) => {
		var t = wa(), n = L(t);
		ei(n), ye(), M(t), ai(n, () => W(o), (e) => I(o, e)), J(e, t);
	};
	X(se, (e) => {
		t.scores && e(ce);
	});
	var le = z(B(se, 2));
	M(ie), V((e, n) => {
		w = Yr(C, "", w, { width: `${26 + W(s) * W(u)}px` }), Q(D, "aria-label", `${t.heads.length ?? ""} heads. Arrow keys choose one, which is shown below.`), ee = Yr(D, "", ee, {
			"margin-left": "26px",
			height: `${W(c) * (W(u) + W(d))}px`
		}), te = Yr(O, "", te, {
			width: `${W(s) * W(u)}px`,
			height: `${W(c) * (W(u) + W(d))}px`
		}), re = Yr(ne, "", re, {
			left: `${W(v) % W(s) * W(u)}px`,
			top: e,
			width: `${W(l) ?? ""}px`,
			height: `${W(l) ?? ""}px`
		}), Y(oe, n), Y(le, `${W(y) ? "One row per layer; each" : "Each"} head is coloured by its own largest weight.`);
	}, [() => `${Math.floor(W(v) / W(s)) * (W(u) + W(d))}px`, () => h(W(m))]), si(x, "clientWidth", (e) => I(r, e)), G("keydown", D, _), G("pointermove", D, (e) => I(a, g(e), !0)), ar("pointerleave", D, () => I(a, null)), G("pointerdown", D, (e) => n(g(e) ?? n())), J(e, b), ze();
}
or([
	"keydown",
	"pointermove",
	"pointerdown"
]);
// src/draw/grid.ts
var Da = 6.6, Oa = 14;
function ka(e) {
	let t = 0;
	for (let n of e) t = Math.max(t, Ki($(n)));
	return Math.min(t, 18) * Da;
}
function Aa(e, t) {
	for (let n = 1;; n *= 10) for (let r of [
		1,
		2,
		5
	]) if (r * n * t >= e) return r * n;
}
function ja(e, t, n) {
	let [r, i] = [e.rows.length, e.columns.length], a = r * i > 2e3, o = a ? 1.5 : n ? 38 : 9, s = ka(e.rows) + 10 + (e.rowTitle ? 18 : 0), c = Math.min(n ? 72 : 52, Math.max(o, (t - s - 12) / Math.max(1, i))), l = r <= 48 ? 24 : 16, u = Math.min(l, Math.max(a ? 1.5 : l, a ? 640 / r : l));
	a && Math.max(c, u) < 2 * Math.min(c, u) && (c = u = Math.min(c, u));
	let d = [...e.columns, ...e.beneath ?? []], f = d.every((e) => /^\d{1,5}$/.test(e)), p = ka(d) > c - 4 && !f, m = (e) => (p ? ka(e) : Oa) + 8;
	return {
		cellWidth: c,
		cellHeight: u,
		left: s,
		top: m(e.columns) + (e.columnTitle ? 18 : 0),
		bottom: e.beneath ? m(e.beneath) : 4,
		isUpright: p,
		rowStep: Aa(Oa, u),
		columnStep: Aa(p ? Oa : ka(d) + 6, c)
	};
}
function Ma(e, t, n, r, i) {
	let a = Math.floor(e / n.cellWidth), o = Math.floor(t / n.cellHeight);
	return o >= 0 && o < r && a >= 0 && a < i ? {
		row: o,
		column: a
	} : null;
}
// src/draw/heat.ts
var Na = 8192;
function Pa(e) {
	return Math.ceil(e / Na);
}
function Fa(e, t, n) {
	let [r, i] = [Pa(e.rows), Pa(e.columns)], [a, o] = [Math.ceil(e.rows / r), Math.ceil(e.columns / i)], s = new ImageData(o, a), c = new Uint32Array(s.data.buffer), l = oa(n);
	for (let n = 0; n < a; n++) for (let a = 0; a < o; a++) {
		let s = r * i === 1 ? e.at(n, a) : Ia(e, n * r, a * i, r, i);
		s === s && (c[n * o + a] = l[255 + Math.round(255 * ta(s, t))]);
	}
	return s;
}
function Ia(e, t, n, r, i) {
	let a = NaN;
	for (let o = t; o < Math.min(t + r, e.rows); o++) for (let t = n; t < Math.min(n + i, e.columns); t++) {
		let n = e.at(o, t);
		n === n && !(Math.abs(n) <= Math.abs(a)) && (a = n);
	}
	return a;
}
function La(e, t, n) {
	let { cellWidth: r, cellHeight: i, palette: a, limit: o } = n, [s, c] = [t.columns * r, t.rows * i], l = Math.min(devicePixelRatio || 1, Na / Math.max(s, c));
	e.width = Math.max(1, Math.round(s * l)), e.height = Math.max(1, Math.round(c * l)), e.style.width = `${s}px`, e.style.height = `${c}px`;
	let u = e.getContext("2d"), d = new OffscreenCanvas(Math.ceil(t.columns / Pa(t.columns)), Math.ceil(t.rows / Pa(t.rows)));
	d.getContext("2d").putImageData(Fa(t, o, a), 0, 0), u.fillStyle = Ra(u, a, l), u.fillRect(0, 0, e.width, e.height), u.imageSmoothingEnabled = !1, u.drawImage(d, 0, 0, e.width, e.height), u.scale(l, l), Math.min(r, i) >= 7 && za(u, s, c, n), n.inside !== void 0 && Ba(u, t, n);
}
function Ra(e, t, n) {
	let r = Math.max(4, Math.round(6 * n)), i = new OffscreenCanvas(r, r), a = i.getContext("2d");
	a.fillStyle = `rgb(${t.ground.join(",")})`, a.fillRect(0, 0, r, r), a.strokeStyle = t.soft, a.globalAlpha = .6, a.lineWidth = n, a.beginPath();
	for (let e of [
		-r,
		0,
		r
	]) a.moveTo(e, r), a.lineTo(e + r, 0);
	return a.stroke(), e.createPattern(i, "repeat");
}
function za(e, t, n, r) {
	e.fillStyle = `rgb(${r.palette.ground.join(",")})`;
	for (let i = r.cellWidth; i <= t + .5; i += r.cellWidth) e.fillRect(i - 1, 0, 1, n);
	for (let i = r.cellHeight; i <= n + .5; i += r.cellHeight) e.fillRect(0, i - 1, t, 1);
}
function Ba(e, t, n) {
	let { cellWidth: r, cellHeight: i, palette: a, limit: o } = n;
	e.font = "10.5px system-ui, sans-serif", e.textAlign = "center", e.textBaseline = "middle";
	for (let s = 0; s < t.rows; s++) for (let c = 0; c < t.columns; c++) {
		let l = n.inside(s, c);
		l !== "" && (e.fillStyle = ra(a, ta(t.at(s, c), o)), e.fillText(l, (c + .5) * r - .5, (s + .5) * i, r - 3));
	}
}
// src/parts/GridPicture.svelte
var Va = /* @__PURE__ */ q("<text class=\"iw-axis\" y=\"12\"> </text>"), Ha = /* @__PURE__ */ q("<text class=\"iw-axis\" x=\"11\"> </text>"), Ua = /* @__PURE__ */ q("<text> </text>"), Wa = /* @__PURE__ */ q("<!><!>", 1), Ga = /* @__PURE__ */ K("<span></span>"), Ka = /* @__PURE__ */ K("<span class=\"hint\">Hover over a cell, or focus the grid and use the arrow keys.</span>"), qa = /* @__PURE__ */ K("<div class=\"room svelte-16b9hrq\"></div> <div class=\"iw-scroll\"><div class=\"grid svelte-16b9hrq\"><svg class=\"axes svelte-16b9hrq\" aria-hidden=\"true\"><!><!><!><!></svg> <div class=\"cells svelte-16b9hrq\" role=\"application\" tabindex=\"0\"><canvas aria-hidden=\"true\" class=\"svelte-16b9hrq\"></canvas> <!></div></div></div> <p class=\"readout\" data-no-export=\"\" aria-live=\"polite\"><!></p>", 1);
function Ja(e, t) {
	Re(t, !0);
	let n = pi(t, "hasWords", 3, !1), r = pi(t, "chosen", 15, null), i = /* @__PURE__ */ F(0), a = /* @__PURE__ */ F(void 0), o = /* @__PURE__ */ F(null), s = /* @__PURE__ */ N(() => t.labels.rows.length), c = /* @__PURE__ */ N(() => t.labels.columns.length), l = /* @__PURE__ */ N(() => ja(t.labels, W(i) || 760, n())), u = /* @__PURE__ */ N(() => W(c) * W(l).cellWidth), d = /* @__PURE__ */ N(() => W(s) * W(l).cellHeight), f = /* @__PURE__ */ N(() => W(o) ?? r());
	sn(() => {
		if (pa.version, W(a) === void 0 || W(i) === 0) return;
		let { cellWidth: e, cellHeight: n } = W(l), r = e >= 36 && n >= 16, o = ca(W(a));
		La(W(a), {
			rows: W(s),
			columns: W(c),
			at: t.at
		}, {
			cellWidth: e,
			cellHeight: n,
			limit: t.limit,
			palette: o,
			inside: r ? t.inside : void 0
		});
	});
	function p(e) {
		let t = W(a).getBoundingClientRect();
		return Ma(e.clientX - t.left, e.clientY - t.top, W(l), W(s), W(c));
	}
	function h(e) {
		r(e), t.onchoose?.(e);
	}
	function g(e) {
		if (e.altKey || e.metaKey) return;
		let t = da(r() ?? {
			row: 0,
			column: 0
		}, e.key, W(s), W(c), e.ctrlKey);
		t !== null && (e.preventDefault(), I(o, null), h(r() === null ? {
			row: 0,
			column: 0
		} : t));
	}
	let _ = (e, t) => Array.from({ length: Math.ceil(e / t) }, (e, n) => n * t), v = (e) => qi($(e), 18), y = /* @__PURE__ */ N(() => W(l).top), b = /* @__PURE__ */ N(() => W(l).left);
	var x = qa(), S = R(x), C = B(S, 2), w = L(C);
	let T;
	var E = L(w), D = L(E), ee = (e) => {
		var n = Va(), r = z(n, !0);
		V((e) => {
			Q(n, "x", e), Y(r, t.labels.columnTitle);
		}, [() => W(b) + Math.min(W(u), W(i) - W(b)) / 2]), J(e, n);
	};
	X(D, (e) => {
		t.labels.columnTitle && e(ee);
	});
	var O = B(D), te = (e) => {
		let n = /* @__PURE__ */ N(() => W(y) + Math.min(W(d), 700) / 2);
		var r = Ha(), i = z(r, !0);
		V(() => {
			Q(r, "y", W(n)), Q(r, "transform", `rotate(-90 11 ${W(n) ?? ""})`), Y(i, t.labels.rowTitle);
		}), J(e, r);
	};
	X(O, (e) => {
		t.labels.rowTitle && e(te);
	});
	var ne = B(O);
	Z(ne, 16, () => _(W(s), W(l).rowStep), (e) => e, (e, n) => {
		var r = Ua();
		let i;
		var a = z(r, !0);
		V((e) => {
			i = qr(r, 0, "iw-row svelte-16b9hrq", null, i, { shown: W(f)?.row === n }), Q(r, "x", W(b) - 6), Q(r, "y", W(y) + (n + .5) * W(l).cellHeight), Y(a, e);
		}, [() => v(t.labels.rows[n])]), J(e, r);
	}), Z(B(ne), 16, () => _(W(c), W(l).columnStep), (e) => e, (e, n) => {
		let r = /* @__PURE__ */ N(() => W(b) + (n + .5) * W(l).cellWidth - .5);
		var i = Wa(), a = R(i), o = (e) => {
			var i = Ua();
			let a;
			var o = z(i, !0);
			V((e) => {
				a = qr(i, 0, "iw-up svelte-16b9hrq", null, a, { shown: W(f)?.column === n }), Q(i, "x", W(r)), Q(i, "y", W(y) - 6), Q(i, "transform", `rotate(-90 ${W(r) ?? ""} ${W(y) - 6})`), Y(o, e);
			}, [() => v(t.labels.columns[n])]), J(e, i);
		}, s = (e) => {
			var i = Ua();
			let a;
			var o = z(i, !0);
			V((e) => {
				a = qr(i, 0, "iw-col svelte-16b9hrq", null, a, { shown: W(f)?.column === n }), Q(i, "x", W(r)), Q(i, "y", W(y) - 7), Y(o, e);
			}, [() => v(t.labels.columns[n])]), J(e, i);
		};
		X(a, (e) => {
			W(l).isUpright ? e(o) : e(s, -1);
		});
		var c = B(a), u = (e) => {
			let i = /* @__PURE__ */ N(() => W(y) + W(d) + (W(l).isUpright ? 6 : 14)), a = /* @__PURE__ */ N(() => t.labels.beneath[n] !== t.labels.columns[n]);
			var o = Ua();
			let s;
			var c = z(o, !0);
			V((e) => {
				s = qr(o, 0, Vr(W(l).isUpright ? "iw-beneath" : "iw-col"), "svelte-16b9hrq", s, { differs: W(a) }), Q(o, "x", W(r)), Q(o, "y", W(i)), Q(o, "transform", W(l).isUpright ? `rotate(-90 ${W(r)} ${W(i)})` : void 0), Y(c, e);
			}, [() => v(t.labels.beneath[n])]), J(e, o);
		};
		X(c, (e) => {
			t.labels.beneath && e(u);
		}), J(e, i);
	}), M(E);
	var re = B(E, 2);
	let ie;
	var ae = L(re);
	li(ae, (e) => I(a, e), () => W(a)), Z(B(ae, 2), 17, () => [[r(), "chosen"], [W(o), "hovered"]], ([e, t]) => t, (e, t) => {
		var n = /* @__PURE__ */ N(() => m(W(t), 2));
		let r = () => W(n)[0], i = () => W(n)[1];
		var a = gr(), o = R(a), s = (e) => {
			var t = Ga();
			let n;
			V(() => {
				qr(t, 1, `mark ${i() ?? ""}`, "svelte-16b9hrq"), n = Yr(t, "", n, {
					left: `${r().column * W(l).cellWidth}px`,
					top: `${r().row * W(l).cellHeight}px`,
					width: `${W(l).cellWidth - +(W(l).cellWidth > 7)}px`,
					height: `${W(l).cellHeight - +(W(l).cellHeight > 7)}px`
				});
			}), J(e, t);
		};
		X(o, (e) => {
			r() !== null && typeof r() == "object" && e(s);
		}), J(e, a);
	}), M(re), M(w), M(C);
	var oe = B(C, 2), se = L(oe), ce = (e) => {
		var n = hr();
		V((e) => Y(n, e), [() => t.say(W(f))]), J(e, n);
	}, le = (e) => {
		J(e, Ka());
	};
	X(se, (e) => {
		W(f) ? e(ce) : e(le, -1);
	}), M(oe), V(() => {
		T = Yr(w, "", T, {
			width: `${W(b) + W(u) + 12}px`,
			height: `${W(y) + W(d) + W(l).bottom}px`
		}), Q(E, "width", W(b) + W(u) + 12), Q(E, "height", W(y) + W(d) + W(l).bottom), Q(re, "aria-label", `${t.name ?? ""}: ${W(s) ?? ""} rows, ${W(c) ?? ""} columns. Arrow keys move, the value is read out.`), ie = Yr(re, "", ie, {
			left: `${W(b) ?? ""}px`,
			top: `${W(y) ?? ""}px`,
			width: `${W(u) ?? ""}px`,
			height: `${W(d) ?? ""}px`
		});
	}), si(S, "clientWidth", (e) => I(i, e)), G("keydown", re, g), ar("focus", re, () => r(r() ?? {
		row: 0,
		column: 0
	})), G("pointermove", re, (e) => I(o, p(e), !0)), ar("pointerleave", re, () => I(o, null)), G("pointerdown", re, (e) => {
		let t = p(e);
		t !== null && h(t);
	}), J(e, x), ze();
}
or([
	"keydown",
	"pointermove",
	"pointerdown"
]);
// src/parts/Legend.svelte
var Ya = /* @__PURE__ */ q("<rect width=\"12\" height=\"10\"></rect>"), Xa = /* @__PURE__ */ q("<text class=\"iw-col\" y=\"21\"> </text>"), Za = /* @__PURE__ */ K("<span><span class=\"iw-hatch\"></span> </span>"), Qa = /* @__PURE__ */ K("<span> </span>"), $a = /* @__PURE__ */ K("<p class=\"iw-legend\"><span> </span> <svg class=\"iw-scale\" role=\"img\" height=\"24\"><!><!></svg> <!> <!></p>");
function eo(e, t) {
	Re(t, !0);
	let n = pi(t, "missing", 3, 0), r = pi(t, "infinite", 3, 0), i = /* @__PURE__ */ F(void 0), a = /* @__PURE__ */ F(null);
	sn(() => {
		pa.version, W(i) && I(a, ca(W(i)));
	});
	let o = /* @__PURE__ */ N(() => t.scale.isSigned ? Array.from({ length: 17 }, (e, t) => (t - 8) / 8) : Array.from({ length: 9 }, (e, t) => t / 8)), s = /* @__PURE__ */ N(() => t.scale.isSigned ? [
		-t.scale.limit,
		0,
		t.scale.limit
	] : [
		0,
		t.scale.limit / 2,
		t.scale.limit
	]), c = (e) => t.scale.isSigned ? ha(e) : ma(e);
	var l = $a(), u = L(l), d = z(u, !0), f = B(u, 2), p = L(f), m = (e) => {
		var t = gr();
		Z(R(t), 17, () => W(o), kr, (e, t, n) => {
			var r = Ya();
			Q(r, "x", 22 + 12 * n), V((e) => Q(r, "fill", e), [() => aa(W(a), W(t))]), J(e, r);
		}), J(e, t);
	};
	X(p, (e) => {
		W(a) && e(m);
	}), Z(B(p), 17, () => W(s), kr, (e, t, n) => {
		var r = Xa(), i = z(r, !0);
		V((e) => {
			Q(r, "x", 22 + 6 * W(o).length * n), Y(i, e);
		}, [() => c(W(t))]), J(e, r);
	}), M(f);
	var h = B(f, 2), g = (e) => {
		var t = Za(), r = B(L(t));
		M(t), V((e) => Y(r, ` not a number (${e ?? ""})`), [() => n().toLocaleString("en")]), J(e, t);
	};
	X(h, (e) => {
		n() && e(g);
	});
	var _ = B(h, 2), v = (e) => {
		var t = Qa(), n = z(t);
		V((e) => Y(n, `${e ?? ""} infinite, drawn at the scale’s end`), [() => r().toLocaleString("en")]), J(e, t);
	};
	X(_, (e) => {
		r() && e(v);
	}), M(l), li(l, (e) => I(i, e), () => W(i)), V((e, n) => {
		Y(d, t.label), Q(f, "aria-label", `Colour scale from ${e ?? ""} to ${n ?? ""}`), Q(f, "width", W(o).length * 12 + 44);
	}, [() => c(W(s)[0]), () => c(W(s)[2])]), J(e, l), ze();
}
// src/kinds/TokenBrush.svelte
var to = /* @__PURE__ */ K("<br/>"), no = /* @__PURE__ */ K("<span><bdi> </bdi></span><!>", 1), ro = /* @__PURE__ */ K("<div class=\"iw-tokens svelte-19djuqw\" role=\"application\" tabindex=\"0\" aria-label=\"What one token attends to. Left and right choose the token.\"></div> <p class=\"readout\" data-no-export=\"\" aria-live=\"polite\"> </p>", 1);
function io(e, t) {
	Re(t, !0);
	let n = /* @__PURE__ */ F(void 0), r = /* @__PURE__ */ F(null);
	sn(() => {
		pa.version, W(n) && I(r, ca(W(n)));
	});
	let i = /* @__PURE__ */ N(() => t.query ?? t.queries.length - 1), a = /* @__PURE__ */ N(() => t.keys.length - t.queries.length);
	function o(e) {
		if (W(r) === null) return "";
		let n = ta(t.at(W(i), e), t.limit);
		return Number.isNaN(n) ? "" : `background:${aa(W(r), n)};color:${ra(W(r), n)}`;
	}
	function s(e) {
		let n = e.key.replace("ArrowUp", "ArrowLeft").replace("ArrowDown", "ArrowRight"), r = da({
			row: 0,
			column: W(i)
		}, n, 1, t.queries.length);
		r !== null && (e.preventDefault(), t.onbrush(r.column));
	}
	let c = /* @__PURE__ */ N(() => t.keys.reduce((e, n, r) => Math.abs(t.at(W(i), r)) > Math.abs(t.at(W(i), e)) ? r : e, 0));
	var l = ro(), u = R(l);
	Z(u, 21, () => t.keys, kr, (e, t, n) => {
		var r = no(), s = R(r);
		let c;
		Q(s, "data-key", n);
		var l = z(L(s), !0);
		M(s);
		var u = B(s), d = (e) => {
			J(e, to());
		}, f = /* @__PURE__ */ N(() => W(t).includes("\n"));
		X(u, (e) => {
			W(f) && e(d);
		}), V((e, t) => {
			c = qr(s, 1, "iw-t svelte-19djuqw", null, c, { from: n - W(a) === W(i) }), Yr(s, e), Y(l, t);
		}, [() => o(n), () => Wi(W(t))]), J(e, r);
	}), M(u), li(u, (e) => I(n, e), () => W(n));
	var d = z(B(u, 2));
	V((e, t, n) => Y(d, `From ${W(i) ?? ""} ${e ?? ""}, most to ${W(c) ?? ""} ${t ?? ""}: ${n ?? ""}`), [
		() => Wi(t.queries[W(i)] ?? ""),
		() => Wi(t.keys[W(c)] ?? ""),
		() => t.written(W(i), W(c))
	]), G("keydown", u, s), G("pointerdown", u, (e) => {
		let n = e.target.closest("[data-key]"), r = n ? Number(n.dataset.key) - W(a) : -1;
		r >= 0 && t.onbrush(r);
	}), J(e, l), ze();
}
or(["keydown", "pointerdown"]);
// src/parts/PagedTable.svelte
var ao = /* @__PURE__ */ K("<th scope=\"col\"> </th>"), oo = /* @__PURE__ */ K("<td> </td>"), so = /* @__PURE__ */ K("<tr></tr>"), co = /* @__PURE__ */ K("<p class=\"iw-note\" data-no-export=\"\"> <button type=\"button\">Previous</button> <button type=\"button\">Next</button></p>"), lo = /* @__PURE__ */ K("<div class=\"iw-scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table\"><table><thead><tr></tr></thead><tbody></tbody></table></div> <!>", 1);
function uo(e, t) {
	Re(t, !0);
	let n = pi(t, "numeric", 19, () => t.head.map((e, t) => t > 0)), r = /* @__PURE__ */ F(0), i = /* @__PURE__ */ N(() => Math.min(W(r) + 100, t.count));
	var a = lo(), o = R(a), s = L(o), c = L(s), l = L(c);
	Z(l, 21, () => t.head, kr, (e, t, r) => {
		var i = ao();
		let a;
		var o = z(i, !0);
		V(() => {
			a = qr(i, 1, "", null, a, { "iw-num": n()[r] }), Y(o, W(t));
		}), J(e, i);
	}), M(l), M(c);
	var u = B(c);
	Z(u, 21, () => ({ length: W(i) - W(r) }), kr, (e, i, a) => {
		var o = so();
		Z(o, 21, () => t.row(W(r) + a), kr, (e, t, r) => {
			var i = oo();
			let a;
			var o = z(i, !0);
			V(() => {
				a = qr(i, 1, "", null, a, { "iw-num": n()[r] }), Y(o, W(t));
			}), J(e, i);
		}), M(o), J(e, o);
	}), M(u), M(s), M(o);
	var d = B(o, 2), f = (e) => {
		var n = co(), a = L(n), o = B(a), s = B(o, 2);
		M(n), V((e) => {
			Y(a, `Rows ${W(r) + 1} to ${W(i) ?? ""} of ${e ?? ""}. `), o.disabled = W(r) === 0, s.disabled = W(i) === t.count;
		}, [() => t.count.toLocaleString("en")]), G("click", o, () => I(r, W(r) - 100)), G("click", s, () => I(r, W(r) + 100)), J(e, n);
	};
	X(d, (e) => {
		t.count > 100 && e(f);
	}), J(e, a), ze();
}
or(["click"]);
// src/parts/Twin.svelte
var fo = /* @__PURE__ */ K("<p class=\"iw-note\"> </p>"), po = /* @__PURE__ */ K("<!> <!>", 1), mo = /* @__PURE__ */ K("<details data-no-export=\"\"><summary> </summary> <!></details>");
function ho(e, t) {
	let n = pi(t, "note", 3, ""), r = /* @__PURE__ */ F(!1);
	var i = mo(), a = L(i), o = z(a, !0), s = B(a, 2), c = (e) => {
		var r = po(), i = R(r), a = (e) => {
			var t = fo(), r = z(t, !0);
			V(() => Y(r, n())), J(e, t);
		};
		X(i, (e) => {
			n() && e(a);
		}), uo(B(i, 2), {
			get head() {
				return t.head;
			},
			get count() {
				return t.count;
			},
			get row() {
				return t.row;
			}
		}), J(e, r);
	};
	X(s, (e) => {
		W(r) && e(c);
	}), M(i), V(() => Y(o, t.summary)), ui("open", "toggle", i, (e) => I(r, e), () => W(r)), J(e, i);
}
// src/record/types.ts
function go(e) {
	return e !== void 0 && "values" in e;
}
function _o(e, t) {
	let n = e.arrays[t];
	if (!go(n)) throw Error(`the ${e.kind} view has no numbers named ${t}`);
	return n;
}
function vo(e, t) {
	let n = e.arrays[t];
	if (n === void 0) throw Error(`the ${e.kind} view has no array named ${t}`);
	return go(n) ? Array.from(n.values, String) : n.items.map((e) => String(e ?? ""));
}
// src/kinds/Attention.svelte
var yo = /* @__PURE__ */ K("<span> </span>"), bo = /* @__PURE__ */ K("<label data-no-export=\"\"><input type=\"checkbox\"/> weighted by the values’ norms</label>"), xo = /* @__PURE__ */ K(" <!>.", 1), So = /* @__PURE__ */ K(" <!>).", 1), Co = /* @__PURE__ */ K("<!> <div class=\"bar\"><strong> </strong> <!> <span role=\"group\" data-no-export=\"\" aria-label=\"How it is drawn\"><button type=\"button\">Matrix</button> <button type=\"button\">Arcs</button></span> <!></div> <!> <!> <!> <p class=\"iw-note\"><!> <!></p> <!>", 1);
function wo(e, t) {
	Re(t, !0);
	let n = /* @__PURE__ */ N(() => t.view.patterns), r = /* @__PURE__ */ N(() => vo(t.view, "heads")), i = /* @__PURE__ */ N(() => vo(t.view, "queries")), a = /* @__PURE__ */ N(() => vo(t.view, "keys")), o = /* @__PURE__ */ N(() => go(t.view.arrays.value_norms) ? t.view.arrays.value_norms.values : null), s = /* @__PURE__ */ N(() => go(t.view.arrays.scores) ? t.view.arrays.scores : null), c = /* @__PURE__ */ F(Bt(Math.min(Math.max(0, Number(t.view.state.focus ?? 0)), Math.max(0, W(r).length - 1)))), l = /* @__PURE__ */ F("matrix"), u = /* @__PURE__ */ F(!1), d = /* @__PURE__ */ F(null), f = /* @__PURE__ */ N(() => W(d)?.row ?? null), p = (e) => W(u) && W(o) ? W(o)[W(c) * W(a).length + e] : 1, m = (e, t) => W(n).at(W(c), e, t) * p(t), h = /* @__PURE__ */ N(() => {
		if (!W(u)) return W(n).limit(W(c)) || 1;
		let e = 0;
		for (let t = 0; t < W(i).length; t++) for (let n = 0; n < W(a).length; n++) e = Math.max(e, Math.abs(m(t, n)) || 0);
		return e || 1;
	}), g = /* @__PURE__ */ N(() => W(n).isExact(W(c))), _ = /* @__PURE__ */ N(() => W(n).bound(W(c))), v = /* @__PURE__ */ N(() => W(u) ? "float64" : W(n).dtype);
	function y(e, t) {
		let r = m(e, t);
		if (W(g)) return (W(n).isSigned && r > 0 ? "+" : "") + _a(r, W(v));
		let i = W(n).bin > 1 ? `, the strongest of ${W(n).bin}×${W(n).bin}` : "";
		return `${ma(r)} ±${ma(W(_) * p(t), 2)}${i}`;
	}
	let b = ({ row: e, column: t }) => `head ${W(r)[W(c)]}: ${e} ${$(W(i)[e])} → ${t} ${$(W(a)[t])}: ${y(e, t)}`, x = (e) => e.map((e, t) => /^\d+ /.test(e) ? e : `${t} ${e}`), S = /* @__PURE__ */ N(() => ({
		rows: x(W(i)),
		columns: x(W(a)),
		rowTitle: "from",
		columnTitle: "to"
	})), C = (e, t) => W(i).length * W(a).length > 600 || m(e, t) === 0 ? "" : ga(m(e, t), W(h)), w = null;
	function T(e) {
		let t = `${W(c)} ${W(u)}`;
		if (w?.of !== t) {
			let e = Float64Array.from({ length: W(i).length * W(a).length }, (e, t) => Math.abs(m(Math.floor(t / W(a).length), t % W(a).length)) || 0);
			w = {
				of: t,
				places: Uint32Array.from(e.keys()).sort((t, n) => e[n] - e[t])
			};
		}
		let [n, r] = [Math.floor(w.places[e] / W(a).length), w.places[e] % W(a).length];
		return [
			`${n} ${$(W(i)[n])}`,
			`${r} ${$(W(a)[r])}`,
			y(n, r)
		];
	}
	let E = /* @__PURE__ */ N(() => W(n).exact.size);
	var D = Co(), ee = R(D), O = (e) => {
		{
			let i = /* @__PURE__ */ N(() => W(s)?.values ?? null), a = /* @__PURE__ */ N(() => t.view.state.score_title ?? "score");
			Ea(e, {
				get patterns() {
					return W(n);
				},
				get heads() {
					return W(r);
				},
				get scores() {
					return W(i);
				},
				get scoreTitle() {
					return W(a);
				},
				get across() {
					return t.view.state.columns;
				},
				get head() {
					return W(c);
				},
				set head(e) {
					I(c, e, !0);
				}
			});
		}
	};
	X(ee, (e) => {
		W(r).length > 1 && e(O);
	});
	var te = B(ee, 2), ne = L(te), re = z(ne), ie = B(ne, 2), ae = (e) => {
		var n = yo(), r = z(n);
		V((e) => Y(r, `${t.view.state.score_title ?? "score" ?? ""} ${e ?? ""}`), [() => ha(W(s).values[W(c)])]), J(e, n);
	};
	X(ie, (e) => {
		W(s) && e(ae);
	});
	var oe = B(ie, 2), se = L(oe), ce = B(se, 2);
	M(oe);
	var le = B(oe, 2), ue = (e) => {
		var t = bo(), n = L(t);
		ei(n), ye(), M(t), ai(n, () => W(u), (e) => I(u, e)), J(e, t);
	};
	X(le, (e) => {
		W(o) && e(ue);
	}), M(te);
	var de = B(te, 2), k = (e) => {
		var t = gr();
		Or(R(t), () => `${W(c)} ${W(u)}`, (e) => {
			Ja(e, {
				get labels() {
					return W(S);
				},
				at: m,
				get limit() {
					return W(h);
				},
				get name() {
					return `Attention of head ${W(r)[W(c)] ?? ""}`;
				},
				say: b,
				inside: C,
				get chosen() {
					return W(d);
				},
				set chosen(e) {
					I(d, e, !0);
				}
			});
		}), J(e, t);
	}, fe = (e) => {
		$i(e, {
			get queries() {
				return W(i);
			},
			get keys() {
				return W(a);
			},
			at: m,
			get limit() {
				return W(h);
			},
			get brushed() {
				return W(f);
			},
			onbrush: (e) => I(d, e === null ? null : {
				row: e,
				column: 0
			}, !0)
		});
	};
	X(de, (e) => {
		W(l) === "matrix" ? e(k) : e(fe, -1);
	});
	var pe = B(de, 2);
	io(pe, {
		get queries() {
			return W(i);
		},
		get keys() {
			return W(a);
		},
		at: m,
		get limit() {
			return W(h);
		},
		written: y,
		get query() {
			return W(f);
		},
		onbrush: (e) => I(d, {
			row: e,
			column: W(d)?.column ?? 0
		}, !0)
	});
	var me = B(pe, 2);
	{
		let e = /* @__PURE__ */ N(() => ({
			limit: W(h),
			isSigned: W(n).isSigned
		})), t = /* @__PURE__ */ N(() => W(u) ? "weight × norm of the value" : "weight");
		eo(me, {
			get scale() {
				return W(e);
			},
			get label() {
				return W(t);
			}
		});
	}
	var he = B(me, 2), A = L(he), ge = (e) => {
		var t = hr();
		V(() => Y(t, `Head ${W(r)[W(c)] ?? ""} is exact.`)), J(e, t);
	}, j = (e) => {
		var t = xo(), i = R(t), a = B(i), o = (e) => {
			var t = hr();
			V(() => Y(t, `, and each is the strongest of ${W(n).bin ?? ""}×${W(n).bin ?? ""} neighbours`)), J(e, t);
		};
		X(a, (e) => {
			W(n).bin > 1 && e(o);
		}), ye(), V((e) => Y(i, `Head ${W(r)[W(c)] ?? ""} is in 8 bits: its weights are within ±${e ?? ""}`), [() => ma(W(_), 2)]), J(e, t);
	};
	X(A, (e) => {
		W(g) ? e(ge) : e(j, -1);
	});
	var _e = B(A, 2), ve = (e) => {
		var t = So(), i = R(t), a = B(i), o = (e) => {
			var t = hr();
			V(() => Y(t, `, ${W(n).bin ?? ""}×${W(n).bin ?? ""} neighbours to a value`)), J(e, t);
		};
		X(a, (e) => {
			W(n).bin > 1 && e(o);
		}), ye(), V((e) => Y(i, `Of ${W(r).length ?? ""} heads, ${W(E) ?? ""} ${W(E) === 1 ? "is" : "are"} exact in this file; the others are in 8 bits (±${e ?? ""} at most`), [() => ma(Math.max(...W(r).map((e, t) => W(n).bound(t))), 2)]), J(e, t);
	};
	X(_e, (e) => {
		W(n).quantised !== null && e(ve);
	}), M(he);
	var be = B(he, 2);
	{
		let e = /* @__PURE__ */ N(() => W(i).length * W(a).length);
		ho(be, {
			summary: "Weights of this head, strongest first",
			head: [
				"from",
				"to",
				"weight"
			],
			get count() {
				return W(e);
			},
			row: T
		});
	}
	V(() => {
		Y(re, `Head ${W(r)[W(c)] ?? ""}`), Q(se, "aria-pressed", W(l) === "matrix"), Q(ce, "aria-pressed", W(l) === "arcs");
	}), G("click", se, () => I(l, "matrix")), G("click", ce, () => I(l, "arcs")), J(e, D), ze();
}
or(["click"]);
// src/kinds/Card.svelte
var To = /* @__PURE__ */ K("<div><dt> </dt> <dd> </dd></div>"), Eo = /* @__PURE__ */ K("<dl class=\"iw-card\"></dl>");
function Do(e, t) {
	Re(t, !0);
	function n(e) {
		return e == null ? "—" : typeof e == "number" ? ma(e, 4) : Array.isArray(e) ? e.map(n).join(", ") || "—" : typeof e == "object" ? Object.entries(e).map(([e, t]) => `${e}: ${n(t)}`).join(", ") || "—" : String(e);
	}
	var r = Eo();
	Z(r, 21, () => Object.entries(t.view.state.fields ?? {}), ([e, t]) => e, (e, t) => {
		var r = /* @__PURE__ */ N(() => m(W(t), 2));
		let i = () => W(r)[0], a = () => W(r)[1];
		var o = To(), s = L(o), c = z(s, !0), l = B(s, 2), u = z(l, !0);
		M(o), V((e, t) => {
			Y(c, i()), Q(l, "title", e), Y(u, t);
		}, [() => typeof a() == "number" ? _a(a()) : void 0, () => n(a())]), J(e, o);
	}), M(r), J(e, r), ze();
}
// node_modules/d3-array/dist/d3-array.mjs
function Oo(e, t) {
	return e == null || t == null ? NaN : e < t ? -1 : e > t ? 1 : e >= t ? 0 : NaN;
}
function ko(e, t) {
	return e == null || t == null ? NaN : t < e ? -1 : t > e ? 1 : t >= e ? 0 : NaN;
}
function Ao(e) {
	let t, n, r;
	e.length === 2 ? (t = e === Oo || e === ko ? e : jo, n = e, r = e) : (t = Oo, n = (t, n) => Oo(e(t), n), r = (t, n) => e(t) - n);
	function i(e, r, i = 0, a = e.length) {
		if (i < a) {
			if (t(r, r) !== 0) return a;
			do {
				let t = i + a >>> 1;
				n(e[t], r) < 0 ? i = t + 1 : a = t;
			} while (i < a);
		}
		return i;
	}
	function a(e, r, i = 0, a = e.length) {
		if (i < a) {
			if (t(r, r) !== 0) return a;
			do {
				let t = i + a >>> 1;
				n(e[t], r) <= 0 ? i = t + 1 : a = t;
			} while (i < a);
		}
		return i;
	}
	function o(e, t, n = 0, a = e.length) {
		let o = i(e, t, n, a - 1);
		return o > n && r(e[o - 1], t) > -r(e[o], t) ? o - 1 : o;
	}
	return {
		left: i,
		center: o,
		right: a
	};
}
function jo() {
	return 0;
}
function Mo(e) {
	return e === null ? NaN : +e;
}
var No = Ao(Oo), Po = No.right;
No.left, Ao(Mo).center, Array.prototype.slice;
var Fo = Math.sqrt(50), Io = Math.sqrt(10), Lo = Math.sqrt(2);
function Ro(e, t, n) {
	let r = (t - e) / Math.max(0, n), i = Math.floor(Math.log10(r)), a = r / 10 ** i, o = a >= Fo ? 10 : a >= Io ? 5 : a >= Lo ? 2 : 1, s, c, l;
	return i < 0 ? (l = 10 ** -i / o, s = Math.round(e * l), c = Math.round(t * l), s / l < e && ++s, c / l > t && --c, l = -l) : (l = 10 ** i * o, s = Math.round(e / l), c = Math.round(t / l), s * l < e && ++s, c * l > t && --c), c < s && .5 <= n && n < 2 ? Ro(e, t, n * 2) : [
		s,
		c,
		l
	];
}
function zo(e, t, n) {
	if (t = +t, e = +e, n = +n, !(n > 0)) return [];
	if (e === t) return [e];
	let r = t < e, [i, a, o] = r ? Ro(t, e, n) : Ro(e, t, n);
	if (!(a >= i)) return [];
	let s = a - i + 1, c = Array(s);
	if (r) {
		if (o < 0) for (let e = 0; e < s; ++e) c[e] = (a - e) / -o;
		else for (let e = 0; e < s; ++e) c[e] = (a - e) * o;
	} else if (o < 0) for (let e = 0; e < s; ++e) c[e] = (i + e) / -o;
	else for (let e = 0; e < s; ++e) c[e] = (i + e) * o;
	return c;
}
function Bo(e, t, n) {
	return t = +t, e = +e, n = +n, Ro(e, t, n)[2];
}
function Vo(e, t, n) {
	t = +t, e = +e, n = +n;
	let r = t < e, i = r ? Bo(t, e, n) : Bo(e, t, n);
	return (r ? -1 : 1) * (i < 0 ? 1 / -i : i);
}
// node_modules/d3-scale/src/init.js
function Ho(e, t) {
	switch (arguments.length) {
		case 0: break;
		case 1:
			this.range(e);
			break;
		default: this.range(t).domain(e);
	}
	return this;
}
// node_modules/d3-color/dist/d3-color.mjs
function Uo(e, t, n) {
	e.prototype = t.prototype = n, n.constructor = e;
}
function Wo(e, t) {
	var n = Object.create(e.prototype);
	for (var r in t) n[r] = t[r];
	return n;
}
function Go() {}
var Ko = .7, qo = 1 / Ko, Jo = "\\s*([+-]?\\d+)\\s*", Yo = "\\s*([+-]?(?:\\d*\\.)?\\d+(?:[eE][+-]?\\d+)?)\\s*", Xo = "\\s*([+-]?(?:\\d*\\.)?\\d+(?:[eE][+-]?\\d+)?)%\\s*", Zo = /^#([0-9a-f]{3,8})$/, Qo = RegExp(`^rgb\\(${Jo},${Jo},${Jo}\\)$`), $o = RegExp(`^rgb\\(${Xo},${Xo},${Xo}\\)$`), es = RegExp(`^rgba\\(${Jo},${Jo},${Jo},${Yo}\\)$`), ts = RegExp(`^rgba\\(${Xo},${Xo},${Xo},${Yo}\\)$`), ns = RegExp(`^hsl\\(${Yo},${Xo},${Xo}\\)$`), rs = RegExp(`^hsla\\(${Yo},${Xo},${Xo},${Yo}\\)$`), is = {
	aliceblue: 15792383,
	antiquewhite: 16444375,
	aqua: 65535,
	aquamarine: 8388564,
	azure: 15794175,
	beige: 16119260,
	bisque: 16770244,
	black: 0,
	blanchedalmond: 16772045,
	blue: 255,
	blueviolet: 9055202,
	brown: 10824234,
	burlywood: 14596231,
	cadetblue: 6266528,
	chartreuse: 8388352,
	chocolate: 13789470,
	coral: 16744272,
	cornflowerblue: 6591981,
	cornsilk: 16775388,
	crimson: 14423100,
	cyan: 65535,
	darkblue: 139,
	darkcyan: 35723,
	darkgoldenrod: 12092939,
	darkgray: 11119017,
	darkgreen: 25600,
	darkgrey: 11119017,
	darkkhaki: 12433259,
	darkmagenta: 9109643,
	darkolivegreen: 5597999,
	darkorange: 16747520,
	darkorchid: 10040012,
	darkred: 9109504,
	darksalmon: 15308410,
	darkseagreen: 9419919,
	darkslateblue: 4734347,
	darkslategray: 3100495,
	darkslategrey: 3100495,
	darkturquoise: 52945,
	darkviolet: 9699539,
	deeppink: 16716947,
	deepskyblue: 49151,
	dimgray: 6908265,
	dimgrey: 6908265,
	dodgerblue: 2003199,
	firebrick: 11674146,
	floralwhite: 16775920,
	forestgreen: 2263842,
	fuchsia: 16711935,
	gainsboro: 14474460,
	ghostwhite: 16316671,
	gold: 16766720,
	goldenrod: 14329120,
	gray: 8421504,
	green: 32768,
	greenyellow: 11403055,
	grey: 8421504,
	honeydew: 15794160,
	hotpink: 16738740,
	indianred: 13458524,
	indigo: 4915330,
	ivory: 16777200,
	khaki: 15787660,
	lavender: 15132410,
	lavenderblush: 16773365,
	lawngreen: 8190976,
	lemonchiffon: 16775885,
	lightblue: 11393254,
	lightcoral: 15761536,
	lightcyan: 14745599,
	lightgoldenrodyellow: 16448210,
	lightgray: 13882323,
	lightgreen: 9498256,
	lightgrey: 13882323,
	lightpink: 16758465,
	lightsalmon: 16752762,
	lightseagreen: 2142890,
	lightskyblue: 8900346,
	lightslategray: 7833753,
	lightslategrey: 7833753,
	lightsteelblue: 11584734,
	lightyellow: 16777184,
	lime: 65280,
	limegreen: 3329330,
	linen: 16445670,
	magenta: 16711935,
	maroon: 8388608,
	mediumaquamarine: 6737322,
	mediumblue: 205,
	mediumorchid: 12211667,
	mediumpurple: 9662683,
	mediumseagreen: 3978097,
	mediumslateblue: 8087790,
	mediumspringgreen: 64154,
	mediumturquoise: 4772300,
	mediumvioletred: 13047173,
	midnightblue: 1644912,
	mintcream: 16121850,
	mistyrose: 16770273,
	moccasin: 16770229,
	navajowhite: 16768685,
	navy: 128,
	oldlace: 16643558,
	olive: 8421376,
	olivedrab: 7048739,
	orange: 16753920,
	orangered: 16729344,
	orchid: 14315734,
	palegoldenrod: 15657130,
	palegreen: 10025880,
	paleturquoise: 11529966,
	palevioletred: 14381203,
	papayawhip: 16773077,
	peachpuff: 16767673,
	peru: 13468991,
	pink: 16761035,
	plum: 14524637,
	powderblue: 11591910,
	purple: 8388736,
	rebeccapurple: 6697881,
	red: 16711680,
	rosybrown: 12357519,
	royalblue: 4286945,
	saddlebrown: 9127187,
	salmon: 16416882,
	sandybrown: 16032864,
	seagreen: 3050327,
	seashell: 16774638,
	sienna: 10506797,
	silver: 12632256,
	skyblue: 8900331,
	slateblue: 6970061,
	slategray: 7372944,
	slategrey: 7372944,
	snow: 16775930,
	springgreen: 65407,
	steelblue: 4620980,
	tan: 13808780,
	teal: 32896,
	thistle: 14204888,
	tomato: 16737095,
	turquoise: 4251856,
	violet: 15631086,
	wheat: 16113331,
	white: 16777215,
	whitesmoke: 16119285,
	yellow: 16776960,
	yellowgreen: 10145074
};
Uo(Go, ls, {
	copy(e) {
		return Object.assign(new this.constructor(), this, e);
	},
	displayable() {
		return this.rgb().displayable();
	},
	hex: as,
	formatHex: as,
	formatHex8: os,
	formatHsl: ss,
	formatRgb: cs,
	toString: cs
});
function as() {
	return this.rgb().formatHex();
}
function os() {
	return this.rgb().formatHex8();
}
function ss() {
	return Ss(this).formatHsl();
}
function cs() {
	return this.rgb().formatRgb();
}
function ls(e) {
	var t, n;
	return e = (e + "").trim().toLowerCase(), (t = Zo.exec(e)) ? (n = t[1].length, t = parseInt(t[1], 16), n === 6 ? us(t) : n === 3 ? new ms(t >> 8 & 15 | t >> 4 & 240, t >> 4 & 15 | t & 240, (t & 15) << 4 | t & 15, 1) : n === 8 ? ds(t >> 24 & 255, t >> 16 & 255, t >> 8 & 255, (t & 255) / 255) : n === 4 ? ds(t >> 12 & 15 | t >> 8 & 240, t >> 8 & 15 | t >> 4 & 240, t >> 4 & 15 | t & 240, ((t & 15) << 4 | t & 15) / 255) : null) : (t = Qo.exec(e)) ? new ms(t[1], t[2], t[3], 1) : (t = $o.exec(e)) ? new ms(t[1] * 255 / 100, t[2] * 255 / 100, t[3] * 255 / 100, 1) : (t = es.exec(e)) ? ds(t[1], t[2], t[3], t[4]) : (t = ts.exec(e)) ? ds(t[1] * 255 / 100, t[2] * 255 / 100, t[3] * 255 / 100, t[4]) : (t = ns.exec(e)) ? xs(t[1], t[2] / 100, t[3] / 100, 1) : (t = rs.exec(e)) ? xs(t[1], t[2] / 100, t[3] / 100, t[4]) : is.hasOwnProperty(e) ? us(is[e]) : e === "transparent" ? new ms(NaN, NaN, NaN, 0) : null;
}
function us(e) {
	return new ms(e >> 16 & 255, e >> 8 & 255, e & 255, 1);
}
function ds(e, t, n, r) {
	return r <= 0 && (e = t = n = NaN), new ms(e, t, n, r);
}
function fs(e) {
	return e instanceof Go || (e = ls(e)), e ? (e = e.rgb(), new ms(e.r, e.g, e.b, e.opacity)) : new ms();
}
function ps(e, t, n, r) {
	return arguments.length === 1 ? fs(e) : new ms(e, t, n, r ?? 1);
}
function ms(e, t, n, r) {
	this.r = +e, this.g = +t, this.b = +n, this.opacity = +r;
}
Uo(ms, ps, Wo(Go, {
	brighter(e) {
		return e = e == null ? qo : qo ** +e, new ms(this.r * e, this.g * e, this.b * e, this.opacity);
	},
	darker(e) {
		return e = e == null ? Ko : Ko ** +e, new ms(this.r * e, this.g * e, this.b * e, this.opacity);
	},
	rgb() {
		return this;
	},
	clamp() {
		return new ms(ys(this.r), ys(this.g), ys(this.b), vs(this.opacity));
	},
	displayable() {
		return -.5 <= this.r && this.r < 255.5 && -.5 <= this.g && this.g < 255.5 && -.5 <= this.b && this.b < 255.5 && 0 <= this.opacity && this.opacity <= 1;
	},
	hex: hs,
	formatHex: hs,
	formatHex8: gs,
	formatRgb: _s,
	toString: _s
}));
function hs() {
	return `#${bs(this.r)}${bs(this.g)}${bs(this.b)}`;
}
function gs() {
	return `#${bs(this.r)}${bs(this.g)}${bs(this.b)}${bs((isNaN(this.opacity) ? 1 : this.opacity) * 255)}`;
}
function _s() {
	let e = vs(this.opacity);
	return `${e === 1 ? "rgb(" : "rgba("}${ys(this.r)}, ${ys(this.g)}, ${ys(this.b)}${e === 1 ? ")" : `, ${e})`}`;
}
function vs(e) {
	return isNaN(e) ? 1 : Math.max(0, Math.min(1, e));
}
function ys(e) {
	return Math.max(0, Math.min(255, Math.round(e) || 0));
}
function bs(e) {
	return e = ys(e), (e < 16 ? "0" : "") + e.toString(16);
}
function xs(e, t, n, r) {
	return r <= 0 ? e = t = n = NaN : n <= 0 || n >= 1 ? e = t = NaN : t <= 0 && (e = NaN), new ws(e, t, n, r);
}
function Ss(e) {
	if (e instanceof ws) return new ws(e.h, e.s, e.l, e.opacity);
	if (e instanceof Go || (e = ls(e)), !e) return new ws();
	if (e instanceof ws) return e;
	e = e.rgb();
	var t = e.r / 255, n = e.g / 255, r = e.b / 255, i = Math.min(t, n, r), a = Math.max(t, n, r), o = NaN, s = a - i, c = (a + i) / 2;
	return s ? (o = t === a ? (n - r) / s + (n < r) * 6 : n === a ? (r - t) / s + 2 : (t - n) / s + 4, s /= c < .5 ? a + i : 2 - a - i, o *= 60) : s = c > 0 && c < 1 ? 0 : o, new ws(o, s, c, e.opacity);
}
function Cs(e, t, n, r) {
	return arguments.length === 1 ? Ss(e) : new ws(e, t, n, r ?? 1);
}
function ws(e, t, n, r) {
	this.h = +e, this.s = +t, this.l = +n, this.opacity = +r;
}
Uo(ws, Cs, Wo(Go, {
	brighter(e) {
		return e = e == null ? qo : qo ** +e, new ws(this.h, this.s, this.l * e, this.opacity);
	},
	darker(e) {
		return e = e == null ? Ko : Ko ** +e, new ws(this.h, this.s, this.l * e, this.opacity);
	},
	rgb() {
		var e = this.h % 360 + (this.h < 0) * 360, t = isNaN(e) || isNaN(this.s) ? 0 : this.s, n = this.l, r = n + (n < .5 ? n : 1 - n) * t, i = 2 * n - r;
		return new ms(Ds(e >= 240 ? e - 240 : e + 120, i, r), Ds(e, i, r), Ds(e < 120 ? e + 240 : e - 120, i, r), this.opacity);
	},
	clamp() {
		return new ws(Ts(this.h), Es(this.s), Es(this.l), vs(this.opacity));
	},
	displayable() {
		return (0 <= this.s && this.s <= 1 || isNaN(this.s)) && 0 <= this.l && this.l <= 1 && 0 <= this.opacity && this.opacity <= 1;
	},
	formatHsl() {
		let e = vs(this.opacity);
		return `${e === 1 ? "hsl(" : "hsla("}${Ts(this.h)}, ${Es(this.s) * 100}%, ${Es(this.l) * 100}%${e === 1 ? ")" : `, ${e})`}`;
	}
}));
function Ts(e) {
	return e = (e || 0) % 360, e < 0 ? e + 360 : e;
}
function Es(e) {
	return Math.max(0, Math.min(1, e || 0));
}
function Ds(e, t, n) {
	return (e < 60 ? t + (n - t) * e / 60 : e < 180 ? n : e < 240 ? t + (n - t) * (240 - e) / 60 : t) * 255;
}
var Os = Math.PI / 180, ks = 180 / Math.PI, As = 18, js = .96422, Ms = 1, Ns = .82521, Ps = 4 / 29, Fs = 6 / 29, Is = 3 * Fs * Fs, Ls = Fs * Fs * Fs;
function Rs(e) {
	if (e instanceof Bs) return new Bs(e.l, e.a, e.b, e.opacity);
	if (e instanceof qs) return Js(e);
	e instanceof ms || (e = fs(e));
	var t = Ws(e.r), n = Ws(e.g), r = Ws(e.b), i = Vs((.2225045 * t + .7168786 * n + .0606169 * r) / Ms), a, o;
	return t === n && n === r ? a = o = i : (a = Vs((.4360747 * t + .3850649 * n + .1430804 * r) / js), o = Vs((.0139322 * t + .0971045 * n + .7141733 * r) / Ns)), new Bs(116 * i - 16, 500 * (a - i), 200 * (i - o), e.opacity);
}
function zs(e, t, n, r) {
	return arguments.length === 1 ? Rs(e) : new Bs(e, t, n, r ?? 1);
}
function Bs(e, t, n, r) {
	this.l = +e, this.a = +t, this.b = +n, this.opacity = +r;
}
Uo(Bs, zs, Wo(Go, {
	brighter(e) {
		return new Bs(this.l + As * (e ?? 1), this.a, this.b, this.opacity);
	},
	darker(e) {
		return new Bs(this.l - As * (e ?? 1), this.a, this.b, this.opacity);
	},
	rgb() {
		var e = (this.l + 16) / 116, t = isNaN(this.a) ? e : e + this.a / 500, n = isNaN(this.b) ? e : e - this.b / 200;
		return t = js * Hs(t), e = Ms * Hs(e), n = Ns * Hs(n), new ms(Us(3.1338561 * t - 1.6168667 * e - .4906146 * n), Us(-.9787684 * t + 1.9161415 * e + .033454 * n), Us(.0719453 * t - .2289914 * e + 1.4052427 * n), this.opacity);
	}
}));
function Vs(e) {
	return e > Ls ? e ** (1 / 3) : e / Is + Ps;
}
function Hs(e) {
	return e > Fs ? e * e * e : Is * (e - Ps);
}
function Us(e) {
	return 255 * (e <= .0031308 ? 12.92 * e : 1.055 * e ** (1 / 2.4) - .055);
}
function Ws(e) {
	return (e /= 255) <= .04045 ? e / 12.92 : ((e + .055) / 1.055) ** 2.4;
}
function Gs(e) {
	if (e instanceof qs) return new qs(e.h, e.c, e.l, e.opacity);
	if (e instanceof Bs || (e = Rs(e)), e.a === 0 && e.b === 0) return new qs(NaN, 0 < e.l && e.l < 100 ? 0 : NaN, e.l, e.opacity);
	var t = Math.atan2(e.b, e.a) * ks;
	return new qs(t < 0 ? t + 360 : t, Math.sqrt(e.a * e.a + e.b * e.b), e.l, e.opacity);
}
function Ks(e, t, n, r) {
	return arguments.length === 1 ? Gs(e) : new qs(e, t, n, r ?? 1);
}
function qs(e, t, n, r) {
	this.h = +e, this.c = +t, this.l = +n, this.opacity = +r;
}
function Js(e) {
	if (isNaN(e.h)) return new Bs(e.l, 0, 0, e.opacity);
	var t = e.h * Os;
	return new Bs(e.l, Math.cos(t) * e.c, Math.sin(t) * e.c, e.opacity);
}
Uo(qs, Ks, Wo(Go, {
	brighter(e) {
		return new qs(this.h, this.c, this.l + As * (e ?? 1), this.opacity);
	},
	darker(e) {
		return new qs(this.h, this.c, this.l - As * (e ?? 1), this.opacity);
	},
	rgb() {
		return Js(this).rgb();
	}
}));
var Ys = -.14861, Xs = 1.78277, Zs = -.29227, Qs = -.90649, $s = 1.97294, ec = $s * Qs, tc = $s * Xs, nc = Xs * Zs - Qs * Ys;
function rc(e) {
	if (e instanceof ac) return new ac(e.h, e.s, e.l, e.opacity);
	e instanceof ms || (e = fs(e));
	var t = e.r / 255, n = e.g / 255, r = e.b / 255, i = (nc * r + ec * t - tc * n) / (nc + ec - tc), a = r - i, o = ($s * (n - i) - Zs * a) / Qs, s = Math.sqrt(o * o + a * a) / ($s * i * (1 - i)), c = s ? Math.atan2(o, a) * ks - 120 : NaN;
	return new ac(c < 0 ? c + 360 : c, s, i, e.opacity);
}
function ic(e, t, n, r) {
	return arguments.length === 1 ? rc(e) : new ac(e, t, n, r ?? 1);
}
function ac(e, t, n, r) {
	this.h = +e, this.s = +t, this.l = +n, this.opacity = +r;
}
Uo(ac, ic, Wo(Go, {
	brighter(e) {
		return e = e == null ? qo : qo ** +e, new ac(this.h, this.s, this.l * e, this.opacity);
	},
	darker(e) {
		return e = e == null ? Ko : Ko ** +e, new ac(this.h, this.s, this.l * e, this.opacity);
	},
	rgb() {
		var e = isNaN(this.h) ? 0 : (this.h + 120) * Os, t = +this.l, n = isNaN(this.s) ? 0 : this.s * t * (1 - t), r = Math.cos(e), i = Math.sin(e);
		return new ms(255 * (t + n * (Ys * r + Xs * i)), 255 * (t + n * (Zs * r + Qs * i)), 255 * (t + $s * r * n), this.opacity);
	}
}));
var oc = (e) => () => e;
function sc(e, t) {
	return function(n) {
		return e + n * t;
	};
}
function cc(e, t, n) {
	return e **= +n, t = t ** +n - e, n = 1 / n, function(r) {
		return (e + r * t) ** +n;
	};
}
function lc(e, t) {
	var n = t - e;
	return n ? sc(e, n > 180 || n < -180 ? n - 360 * Math.round(n / 360) : n) : oc(isNaN(e) ? t : e);
}
function uc(e) {
	return (e = +e) == 1 ? dc : function(t, n) {
		return n - t ? cc(t, n, e) : oc(isNaN(t) ? n : t);
	};
}
function dc(e, t) {
	var n = t - e;
	return n ? sc(e, n) : oc(isNaN(e) ? t : e);
}
var fc = (function e(t) {
	var n = uc(t);
	function r(e, t) {
		var r = n((e = ps(e)).r, (t = ps(t)).r), i = n(e.g, t.g), a = n(e.b, t.b), o = dc(e.opacity, t.opacity);
		return function(t) {
			return e.r = r(t), e.g = i(t), e.b = a(t), e.opacity = o(t), e + "";
		};
	}
	return r.gamma = e, r;
})(1);
function pc(e, t) {
	t ||= [];
	var n = e ? Math.min(t.length, e.length) : 0, r = t.slice(), i;
	return function(a) {
		for (i = 0; i < n; ++i) r[i] = e[i] * (1 - a) + t[i] * a;
		return r;
	};
}
function mc(e) {
	return ArrayBuffer.isView(e) && !(e instanceof DataView);
}
function hc(e, t) {
	for (var n = t ? t.length : 0, r = e ? Math.min(n, e.length) : 0, i = Array(r), a = Array(n), o = 0; o < r; ++o) i[o] = wc(e[o], t[o]);
	for (; o < n; ++o) a[o] = t[o];
	return function(e) {
		for (o = 0; o < r; ++o) a[o] = i[o](e);
		return a;
	};
}
function gc(e, t) {
	var n = /* @__PURE__ */ new Date();
	return e = +e, t = +t, function(r) {
		return n.setTime(e * (1 - r) + t * r), n;
	};
}
function _c(e, t) {
	return e = +e, t = +t, function(n) {
		return e * (1 - n) + t * n;
	};
}
function vc(e, t) {
	var n = {}, r = {}, i;
	for (i in typeof e == "object" && e || (e = {}), typeof t == "object" && t || (t = {}), t) i in e ? n[i] = wc(e[i], t[i]) : r[i] = t[i];
	return function(e) {
		for (i in n) r[i] = n[i](e);
		return r;
	};
}
var yc = /[-+]?(?:\d+\.?\d*|\.?\d+)(?:[eE][-+]?\d+)?/g, bc = new RegExp(yc.source, "g");
function xc(e) {
	return function() {
		return e;
	};
}
function Sc(e) {
	return function(t) {
		return e(t) + "";
	};
}
function Cc(e, t) {
	var n = yc.lastIndex = bc.lastIndex = 0, r, i, a, o = -1, s = [], c = [];
	for (e += "", t += ""; (r = yc.exec(e)) && (i = bc.exec(t));) (a = i.index) > n && (a = t.slice(n, a), s[o] ? s[o] += a : s[++o] = a), (r = r[0]) === (i = i[0]) ? s[o] ? s[o] += i : s[++o] = i : (s[++o] = null, c.push({
		i: o,
		x: _c(r, i)
	})), n = bc.lastIndex;
	return n < t.length && (a = t.slice(n), s[o] ? s[o] += a : s[++o] = a), s.length < 2 ? c[0] ? Sc(c[0].x) : xc(t) : (t = c.length, function(e) {
		for (var n = 0, r; n < t; ++n) s[(r = c[n]).i] = r.x(e);
		return s.join("");
	});
}
function wc(e, t) {
	var n = typeof t, r;
	return t == null || n === "boolean" ? oc(t) : (n === "number" ? _c : n === "string" ? (r = ls(t)) ? (t = r, fc) : Cc : t instanceof ls ? fc : t instanceof Date ? gc : mc(t) ? pc : Array.isArray(t) ? hc : typeof t.valueOf != "function" && typeof t.toString != "function" || isNaN(t) ? vc : _c)(e, t);
}
function Tc(e, t) {
	return e = +e, t = +t, function(n) {
		return Math.round(e * (1 - n) + t * n);
	};
}
var Ec = 1e-12;
function Dc(e) {
	return ((e = Math.exp(e)) + 1 / e) / 2;
}
function Oc(e) {
	return ((e = Math.exp(e)) - 1 / e) / 2;
}
function kc(e) {
	return ((e = Math.exp(2 * e)) - 1) / (e + 1);
}
(function e(t, n, r) {
	function i(e, i) {
		var a = e[0], o = e[1], s = e[2], c = i[0], l = i[1], u = i[2], d = c - a, f = l - o, p = d * d + f * f, m, h;
		if (p < Ec) h = Math.log(u / s) / t, m = function(e) {
			return [
				a + e * d,
				o + e * f,
				s * Math.exp(t * e * h)
			];
		};
		else {
			var g = Math.sqrt(p), _ = (u * u - s * s + r * p) / (2 * s * n * g), v = (u * u - s * s - r * p) / (2 * u * n * g), y = Math.log(Math.sqrt(_ * _ + 1) - _);
			h = (Math.log(Math.sqrt(v * v + 1) - v) - y) / t, m = function(e) {
				var r = e * h, i = Dc(y), c = s / (n * g) * (i * kc(t * r + y) - Oc(y));
				return [
					a + c * d,
					o + c * f,
					s * i / Dc(t * r + y)
				];
			};
		}
		return m.duration = Math.abs(h) * 1e3 * t / Math.SQRT2, m;
	}
	return i.rho = function(t) {
		var n = Math.max(.001, +t), r = n * n;
		return e(n, r, r * r);
	}, i;
})(Math.SQRT2, 2, 4);
function Ac(e) {
	return (function t(n) {
		n = +n;
		function r(t, r) {
			var i = e((t = ic(t)).h, (r = ic(r)).h), a = dc(t.s, r.s), o = dc(t.l, r.l), s = dc(t.opacity, r.opacity);
			return function(e) {
				return t.h = i(e), t.s = a(e), t.l = o(e ** +n), t.opacity = s(e), t + "";
			};
		}
		return r.gamma = t, r;
	})(1);
}
Ac(lc), Ac(dc);
// node_modules/d3-scale/src/constant.js
function jc(e) {
	return function() {
		return e;
	};
}
// node_modules/d3-scale/src/number.js
function Mc(e) {
	return +e;
}
// node_modules/d3-scale/src/continuous.js
var Nc = [0, 1];
function Pc(e) {
	return e;
}
function Fc(e, t) {
	return (t -= e = +e) ? function(n) {
		return (n - e) / t;
	} : jc(isNaN(t) ? NaN : .5);
}
function Ic(e, t) {
	var n;
	return e > t && (n = e, e = t, t = n), function(n) {
		return Math.max(e, Math.min(t, n));
	};
}
function Lc(e, t, n) {
	var r = e[0], i = e[1], a = t[0], o = t[1];
	return i < r ? (r = Fc(i, r), a = n(o, a)) : (r = Fc(r, i), a = n(a, o)), function(e) {
		return a(r(e));
	};
}
function Rc(e, t, n) {
	var r = Math.min(e.length, t.length) - 1, i = Array(r), a = Array(r), o = -1;
	for (e[r] < e[0] && (e = e.slice().reverse(), t = t.slice().reverse()); ++o < r;) i[o] = Fc(e[o], e[o + 1]), a[o] = n(t[o], t[o + 1]);
	return function(t) {
		var n = Po(e, t, 1, r) - 1;
		return a[n](i[n](t));
	};
}
function zc(e, t) {
	return t.domain(e.domain()).range(e.range()).interpolate(e.interpolate()).clamp(e.clamp()).unknown(e.unknown());
}
function Bc() {
	var e = Nc, t = Nc, n = wc, r, i, a, o = Pc, s, c, l;
	function u() {
		var n = Math.min(e.length, t.length);
		return o !== Pc && (o = Ic(e[0], e[n - 1])), s = n > 2 ? Rc : Lc, c = l = null, d;
	}
	function d(i) {
		return i == null || isNaN(i = +i) ? a : (c ||= s(e.map(r), t, n))(r(o(i)));
	}
	return d.invert = function(n) {
		return o(i((l ||= s(t, e.map(r), _c))(n)));
	}, d.domain = function(t) {
		return arguments.length ? (e = Array.from(t, Mc), u()) : e.slice();
	}, d.range = function(e) {
		return arguments.length ? (t = Array.from(e), u()) : t.slice();
	}, d.rangeRound = function(e) {
		return t = Array.from(e), n = Tc, u();
	}, d.clamp = function(e) {
		return arguments.length ? (o = e ? !0 : Pc, u()) : o !== Pc;
	}, d.interpolate = function(e) {
		return arguments.length ? (n = e, u()) : n;
	}, d.unknown = function(e) {
		return arguments.length ? (a = e, d) : a;
	}, function(e, t) {
		return r = e, i = t, u();
	};
}
function Vc() {
	return Bc()(Pc, Pc);
}
// node_modules/d3-format/dist/d3-format.mjs
function Hc(e) {
	return Math.abs(e = Math.round(e)) >= 1e21 ? e.toLocaleString("en").replace(/,/g, "") : e.toString(10);
}
function Uc(e, t) {
	if (!isFinite(e) || e === 0) return null;
	var n = (e = t ? e.toExponential(t - 1) : e.toExponential()).indexOf("e"), r = e.slice(0, n);
	return [r.length > 1 ? r[0] + r.slice(2) : r, +e.slice(n + 1)];
}
function Wc(e) {
	return e = Uc(Math.abs(e)), e ? e[1] : NaN;
}
function Gc(e, t) {
	return function(n, r) {
		for (var i = n.length, a = [], o = 0, s = e[0], c = 0; i > 0 && s > 0 && (c + s + 1 > r && (s = Math.max(1, r - c)), a.push(n.substring(i -= s, i + s)), !((c += s + 1) > r));) s = e[o = (o + 1) % e.length];
		return a.reverse().join(t);
	};
}
function Kc(e) {
	return function(t) {
		return t.replace(/[0-9]/g, function(t) {
			return e[+t];
		});
	};
}
var qc = /^(?:(.)?([<>=^]))?([+\-( ])?([$#])?(0)?(\d+)?(,)?(\.\d+)?(~)?([a-z%])?$/i;
function Jc(e) {
	if (!(t = qc.exec(e))) throw Error("invalid format: " + e);
	var t;
	return new Yc({
		fill: t[1],
		align: t[2],
		sign: t[3],
		symbol: t[4],
		zero: t[5],
		width: t[6],
		comma: t[7],
		precision: t[8] && t[8].slice(1),
		trim: t[9],
		type: t[10]
	});
}
Jc.prototype = Yc.prototype;
function Yc(e) {
	this.fill = e.fill === void 0 ? " " : e.fill + "", this.align = e.align === void 0 ? ">" : e.align + "", this.sign = e.sign === void 0 ? "-" : e.sign + "", this.symbol = e.symbol === void 0 ? "" : e.symbol + "", this.zero = !!e.zero, this.width = e.width === void 0 ? void 0 : +e.width, this.comma = !!e.comma, this.precision = e.precision === void 0 ? void 0 : +e.precision, this.trim = !!e.trim, this.type = e.type === void 0 ? "" : e.type + "";
}
Yc.prototype.toString = function() {
	return this.fill + this.align + this.sign + this.symbol + (this.zero ? "0" : "") + (this.width === void 0 ? "" : Math.max(1, this.width | 0)) + (this.comma ? "," : "") + (this.precision === void 0 ? "" : "." + Math.max(0, this.precision | 0)) + (this.trim ? "~" : "") + this.type;
};
function Xc(e) {
	out: for (var t = e.length, n = 1, r = -1, i; n < t; ++n) switch (e[n]) {
		case ".":
			r = i = n;
			break;
		case "0":
			r === 0 && (r = n), i = n;
			break;
		default:
			if (!+e[n]) break out;
			r > 0 && (r = 0);
	}
	return r > 0 ? e.slice(0, r) + e.slice(i + 1) : e;
}
var Zc;
function Qc(e, t) {
	var n = Uc(e, t);
	if (!n) return Zc = void 0, e.toPrecision(t);
	var r = n[0], i = n[1], a = i - (Zc = Math.max(-8, Math.min(8, Math.floor(i / 3))) * 3) + 1, o = r.length;
	return a === o ? r : a > o ? r + Array(a - o + 1).join("0") : a > 0 ? r.slice(0, a) + "." + r.slice(a) : "0." + Array(1 - a).join("0") + Uc(e, Math.max(0, t + a - 1))[0];
}
function $c(e, t) {
	var n = Uc(e, t);
	if (!n) return e + "";
	var r = n[0], i = n[1];
	return i < 0 ? "0." + Array(-i).join("0") + r : r.length > i + 1 ? r.slice(0, i + 1) + "." + r.slice(i + 1) : r + Array(i - r.length + 2).join("0");
}
var el = {
	"%": (e, t) => (e * 100).toFixed(t),
	b: (e) => Math.round(e).toString(2),
	c: (e) => e + "",
	d: Hc,
	e: (e, t) => e.toExponential(t),
	f: (e, t) => e.toFixed(t),
	g: (e, t) => e.toPrecision(t),
	o: (e) => Math.round(e).toString(8),
	p: (e, t) => $c(e * 100, t),
	r: $c,
	s: Qc,
	X: (e) => Math.round(e).toString(16).toUpperCase(),
	x: (e) => Math.round(e).toString(16)
};
function tl(e) {
	return e;
}
var nl = Array.prototype.map, rl = [
	"y",
	"z",
	"a",
	"f",
	"p",
	"n",
	"µ",
	"m",
	"",
	"k",
	"M",
	"G",
	"T",
	"P",
	"E",
	"Z",
	"Y"
];
function il(e) {
	var t = e.grouping === void 0 || e.thousands === void 0 ? tl : Gc(nl.call(e.grouping, Number), e.thousands + ""), n = e.currency === void 0 ? "" : e.currency[0] + "", r = e.currency === void 0 ? "" : e.currency[1] + "", i = e.decimal === void 0 ? "." : e.decimal + "", a = e.numerals === void 0 ? tl : Kc(nl.call(e.numerals, String)), o = e.percent === void 0 ? "%" : e.percent + "", s = e.minus === void 0 ? "−" : e.minus + "", c = e.nan === void 0 ? "NaN" : e.nan + "";
	function l(e, l) {
		e = Jc(e);
		var u = e.fill, d = e.align, f = e.sign, p = e.symbol, m = e.zero, h = e.width, g = e.comma, _ = e.precision, v = e.trim, y = e.type;
		y === "n" ? (g = !0, y = "g") : el[y] || (_ === void 0 && (_ = 12), v = !0, y = "g"), (m || u === "0" && d === "=") && (m = !0, u = "0", d = "=");
		var b = (l && l.prefix !== void 0 ? l.prefix : "") + (p === "$" ? n : p === "#" && /[boxX]/.test(y) ? "0" + y.toLowerCase() : ""), x = (p === "$" ? r : /[%p]/.test(y) ? o : "") + (l && l.suffix !== void 0 ? l.suffix : ""), S = el[y], C = /[defgprs%]/.test(y);
		_ = _ === void 0 ? 6 : /[gprs]/.test(y) ? Math.max(1, Math.min(21, _)) : Math.max(0, Math.min(20, _));
		function w(e) {
			var n = b, r = x, o, l, p;
			if (y === "c") r = S(e) + r, e = "";
			else {
				e = +e;
				var w = e < 0 || 1 / e < 0;
				if (e = isNaN(e) ? c : S(Math.abs(e), _), v && (e = Xc(e)), w && +e == 0 && f !== "+" && (w = !1), n = (w ? f === "(" ? f : s : f === "-" || f === "(" ? "" : f) + n, r = (y === "s" && !isNaN(e) && Zc !== void 0 ? rl[8 + Zc / 3] : "") + r + (w && f === "(" ? ")" : ""), C) {
					for (o = -1, l = e.length; ++o < l;) if (p = e.charCodeAt(o), 48 > p || p > 57) {
						r = (p === 46 ? i + e.slice(o + 1) : e.slice(o)) + r, e = e.slice(0, o);
						break;
					}
				}
			}
			g && !m && (e = t(e, Infinity));
			var T = n.length + e.length + r.length, E = T < h ? Array(h - T + 1).join(u) : "";
			switch (g && m && (e = t(E + e, E.length ? h - r.length : Infinity), E = ""), d) {
				case "<":
					e = n + e + r + E;
					break;
				case "=":
					e = n + E + e + r;
					break;
				case "^":
					e = E.slice(0, T = E.length >> 1) + n + e + r + E.slice(T);
					break;
				default: e = E + n + e + r;
			}
			return a(e);
		}
		return w.toString = function() {
			return e + "";
		}, w;
	}
	function u(e, t) {
		var n = Math.max(-8, Math.min(8, Math.floor(Wc(t) / 3))) * 3, r = 10 ** -n, i = l((e = Jc(e), e.type = "f", e), { suffix: rl[8 + n / 3] });
		return function(e) {
			return i(r * e);
		};
	}
	return {
		format: l,
		formatPrefix: u
	};
}
var al, ol, sl;
cl({
	thousands: ",",
	grouping: [3],
	currency: ["$", ""]
});
function cl(e) {
	return al = il(e), ol = al.format, sl = al.formatPrefix, al;
}
function ll(e) {
	return Math.max(0, -Wc(Math.abs(e)));
}
function ul(e, t) {
	return Math.max(0, Math.max(-8, Math.min(8, Math.floor(Wc(t) / 3))) * 3 - Wc(Math.abs(e)));
}
function dl(e, t) {
	return e = Math.abs(e), t = Math.abs(t) - e, Math.max(0, Wc(t) - Wc(e)) + 1;
}
// node_modules/d3-scale/src/tickFormat.js
function fl(e, t, n, r) {
	var i = Vo(e, t, n), a;
	switch (r = Jc(r ?? ",f"), r.type) {
		case "s":
			var o = Math.max(Math.abs(e), Math.abs(t));
			return r.precision == null && !isNaN(a = ul(i, o)) && (r.precision = a), sl(r, o);
		case "":
		case "e":
		case "g":
		case "p":
		case "r":
			r.precision == null && !isNaN(a = dl(i, Math.max(Math.abs(e), Math.abs(t)))) && (r.precision = a - (r.type === "e"));
			break;
		case "f":
		case "%": r.precision == null && !isNaN(a = ll(i)) && (r.precision = a - (r.type === "%") * 2);
	}
	return ol(r);
}
// node_modules/d3-scale/src/linear.js
function pl(e) {
	var t = e.domain;
	return e.ticks = function(e) {
		var n = t();
		return zo(n[0], n[n.length - 1], e ?? 10);
	}, e.tickFormat = function(e, n) {
		var r = t();
		return fl(r[0], r[r.length - 1], e ?? 10, n);
	}, e.nice = function(n) {
		n ??= 10;
		var r = t(), i = 0, a = r.length - 1, o = r[i], s = r[a], c, l, u = 10;
		for (s < o && (l = o, o = s, s = l, l = i, i = a, a = l); u-- > 0;) {
			if (l = Bo(o, s, n), l === c) return r[i] = o, r[a] = s, t(r);
			if (l > 0) o = Math.floor(o / l) * l, s = Math.ceil(s / l) * l;
			else if (l < 0) o = Math.ceil(o * l) / l, s = Math.floor(s * l) / l;
			else break;
			c = l;
		}
		return e;
	}, e;
}
function ml() {
	var e = Vc();
	return e.copy = function() {
		return zc(e, ml());
	}, Ho.apply(e, arguments), pl(e);
}
// src/kinds/Compare.svelte
var hl = /* @__PURE__ */ q("<path></path><text class=\"iw-col\" y=\"14\"> </text>", 1), gl = /* @__PURE__ */ q("<rect class=\"band svelte-14tfgau\" x=\"0\"></rect>"), _l = /* @__PURE__ */ q("<path class=\"join svelte-14tfgau\"></path><circle class=\"before svelte-14tfgau\" r=\"4.5\"></circle><rect class=\"after svelte-14tfgau\" width=\"8\" height=\"8\"></rect>", 1), vl = /* @__PURE__ */ q("<!><text class=\"iw-row\"> </text><!>", 1), yl = /* @__PURE__ */ K("<span class=\"hint\">Hover over an item, or focus the picture and use the arrow keys.</span>"), bl = /* @__PURE__ */ K("<p class=\"iw-note\"> </p>"), xl = /* @__PURE__ */ K("<div></div> <div class=\"iw-scroll\" role=\"application\" tabindex=\"0\"><svg role=\"img\"><!><!></svg></div> <p class=\"readout\" data-no-export=\"\" aria-live=\"polite\"><!></p> <p class=\"iw-legend\"><span><svg aria-hidden=\"true\" width=\"12\" height=\"12\"><circle class=\"before svelte-14tfgau\" cx=\"6\" cy=\"6\" r=\"4.5\"></circle></svg> </span> <span><svg aria-hidden=\"true\" width=\"12\" height=\"12\"><rect class=\"after svelte-14tfgau\" x=\"2\" y=\"2\" width=\"8\" height=\"8\"></rect></svg> </span></p> <!> <!> <!>", 1);
function Sl(e, t) {
	Re(t, !0);
	let [n, r, i] = [
		22,
		26,
		300
	], a = /* @__PURE__ */ N(() => vo(t.view, "labels")), o = /* @__PURE__ */ N(() => _o(t.view, "left")), s = /* @__PURE__ */ N(() => _o(t.view, "right")), c = /* @__PURE__ */ N(() => [String(t.view.state.left_title ?? "left"), String(t.view.state.right_title ?? "right")]), l = /* @__PURE__ */ N(() => Math.min(W(a).length, i)), u = /* @__PURE__ */ F(0), d = /* @__PURE__ */ N(() => Math.max(360, Math.min(860, W(u) || 760))), f = /* @__PURE__ */ N(() => Math.min(26, Math.max(4, ...W(a).slice(0, i).map((e) => e.length + 1))) * 6.8 + 10), p = /* @__PURE__ */ N(() => {
		let [e, t] = [0, 0];
		for (let { values: n } of [W(o), W(s)]) for (let r = 0; r < n.length; r++) Number.isFinite(n[r]) && ([e, t] = [Math.min(e, n[r]), Math.max(t, n[r])]);
		return ml().domain(t > e ? [e, t] : [0, 1]).nice(6).range([W(f), W(d) - 20]);
	}), m = /* @__PURE__ */ F(null), h = /* @__PURE__ */ F(null), g = /* @__PURE__ */ N(() => W(h) ?? W(m)), _ = (e, t) => _a(e.values[t], e.dtype), v = (e) => _a(W(s).values[e] - W(o).values[e]), y = (e) => `${$(W(a)[e])}: ${W(c)[0]} ${_(W(o), e)}, ${W(c)[1]} ${_(W(s), e)}, difference ${v(e)}`, b = (e) => Number.isFinite(W(o).values[e]) && Number.isFinite(W(s).values[e]), x = /* @__PURE__ */ N(() => [...W(a).keys()].slice(0, i).filter((e) => !b(e)).length);
	function S(e) {
		let t = da({
			row: W(m) ?? -1,
			column: 0
		}, e.key, W(l), 1, e.key === "Home" || e.key === "End");
		t !== null && (e.preventDefault(), I(h, null), I(m, t.row, !0));
	}
	let C = /* @__PURE__ */ N(() => r + W(l) * n + 6);
	var w = xl(), T = R(w), E = B(T, 2), D = L(E), ee = L(D);
	Z(ee, 16, () => W(p).ticks(6), (e) => e, (e, t) => {
		var n = hl(), i = R(n), a = B(i), o = z(a, !0);
		V((e, n, s) => {
			qr(i, 0, Vr(t === 0 ? "iw-zero" : "iw-grid")), Q(i, "d", `M${e ?? ""} ${r - 4}V${W(C) - 4}`), Q(a, "x", n), Y(o, s);
		}, [
			() => W(p)(t),
			() => W(p)(t),
			() => W(p).tickFormat(6)(t)
		]), J(e, n);
	}), Z(B(ee), 17, () => ({ length: W(l) }), kr, (e, t, i) => {
		let c = /* @__PURE__ */ N(() => r + (i + .5) * n);
		var l = vl(), u = R(l), m = (e) => {
			var t = gl();
			V(() => {
				Q(t, "y", W(c) - n / 2), Q(t, "width", W(d)), Q(t, "height", n);
			}), J(e, t);
		};
		X(u, (e) => {
			W(g) === i && e(m);
		});
		var h = B(u), _ = z(h, !0), v = B(h), y = (e) => {
			let t = /* @__PURE__ */ N(() => {
				let [e, t] = [W(p)(W(o).values[i]), W(p)(W(s).values[i])];
				return {
					from: e,
					to: t
				};
			});
			var n = _l(), r = R(n), a = B(r), l = B(a);
			V(() => {
				Q(r, "d", `M${W(t).from ?? ""} ${W(c) ?? ""}H${W(t).to ?? ""}`), Q(a, "cx", W(t).from), Q(a, "cy", W(c)), Q(l, "x", W(t).to - 4), Q(l, "y", W(c) - 4);
			}), J(e, n);
		}, x = /* @__PURE__ */ N(() => b(i));
		X(v, (e) => {
			W(x) && e(y);
		}), V((e) => {
			Q(h, "x", W(f) - 10), Q(h, "y", W(c)), Y(_, e);
		}, [() => qi($(W(a)[i]), 26)]), J(e, l);
	}), M(D), M(E);
	var O = B(E, 2), te = L(O), ne = (e) => {
		var t = hr();
		V((e) => Y(t, e), [() => y(W(g))]), J(e, t);
	}, re = (e) => {
		J(e, yl());
	};
	X(te, (e) => {
		W(g) === null ? e(re, -1) : e(ne);
	}), M(O);
	var ie = B(O, 2), ae = L(ie), oe = B(L(ae));
	M(ae);
	var se = B(ae, 2), ce = B(L(se));
	M(se), M(ie);
	var le = B(ie, 2), ue = (e) => {
		var t = bl(), n = z(t);
		V((e) => Y(n, `${e ?? ""} without two finite numbers: only in the table.`), [() => xa(W(x), "item")]), J(e, t);
	};
	X(le, (e) => {
		W(x) && e(ue);
	});
	var de = B(le, 2), k = (e) => {
		var t = bl(), n = z(t);
		V((e) => Y(n, `The first ${W(l) ?? ""} items are drawn; ${e ?? ""} more are in the table.`), [() => (W(a).length - W(l)).toLocaleString("en")]), J(e, t);
	};
	X(de, (e) => {
		W(a).length > W(l) && e(k);
	});
	var fe = B(de, 2);
	{
		let e = /* @__PURE__ */ N(() => [
			"",
			...W(c),
			"difference"
		]);
		ho(fe, {
			summary: "Exact values",
			get head() {
				return W(e);
			},
			get count() {
				return W(a).length;
			},
			row: (e) => [
				$(W(a)[e]),
				_(W(o), e),
				_(W(s), e),
				v(e)
			]
		});
	}
	V(() => {
		Q(E, "aria-label", `${(t.view.title || "Comparison") ?? ""} of ${W(c)[0] ?? ""} and ${W(c)[1] ?? ""}, ${W(a).length ?? ""} items. Up and down move, the values are read out.`), Q(D, "aria-label", `${W(c)[0] ?? ""} and ${W(c)[1] ?? ""} of ${W(a).length ?? ""} items`), Q(D, "width", W(d)), Q(D, "height", W(C)), Y(oe, ` ${W(c)[0] ?? ""}`), Y(ce, ` ${W(c)[1] ?? ""}`);
	}), si(T, "clientWidth", (e) => I(u, e)), G("keydown", E, S), ar("focus", E, () => I(m, W(m) ?? 0)), G("pointermove", D, (e) => {
		let t = Math.floor((e.clientY - e.currentTarget.getBoundingClientRect().top - r) / n);
		I(h, t >= 0 && t < W(l) ? t : null, !0);
	}), ar("pointerleave", D, () => I(h, null)), J(e, w), ze();
}
or(["keydown", "pointermove"]);
// src/draw/graph.ts
function Cl(e) {
	let t = e.layers ? wl(e.layers) : Tl(e), n = e.positions ? wl(e.positions) : null, r = [], i = /* @__PURE__ */ new Map();
	e.nodes.forEach((e, r) => {
		let a = `${t[r]} ${n ? n[r] : ""}`;
		i.set(a, [...i.get(a) ?? [], r]);
	});
	let a = n ? Math.max(...n, 0) + 1 : Math.max(...[...i.values()].map((e) => e.length), 1);
	for (let e of i.values()) e.forEach((t, i) => {
		let o = (i + .5) / e.length;
		r[t] = n ? n[t] + o - .5 : a * o - .5;
	});
	return {
		x: r,
		y: Array.from(t),
		columns: a,
		levels: Math.max(...t, 0) + 1
	};
}
function wl(e) {
	let t = [...new Set(Array.from(e))].sort((e, t) => e - t), n = new Map(t.map((e, t) => [e, t]));
	return Array.from(e, (e) => n.get(e));
}
function Tl(e) {
	let t = new Map(e.nodes.map((e, t) => [e, t])), n = e.sources.map((n, r) => [t.get(n), t.get(e.targets[r])]), r = e.nodes.map(() => 0);
	for (let t = 0; t < e.nodes.length; t++) {
		let t = !1;
		for (let [i, a] of n) i !== a && r[a] < r[i] + 1 && r[i] + 1 < e.nodes.length && (r[a] = r[i] + 1, t = !0);
		if (!t) break;
	}
	return r;
}
// src/kinds/Graph.svelte
var El = /* @__PURE__ */ K("<p class=\"iw-note bar svelte-8tjg53\" data-no-export=\"\"><label>Edges <input type=\"range\" min=\"1\" class=\"svelte-8tjg53\"/></label></p>"), Dl = /* @__PURE__ */ q("<path class=\"iw-grid\"></path><text class=\"iw-row\"> </text>", 1), Ol = /* @__PURE__ */ q("<text class=\"iw-col\"> </text>"), kl = /* @__PURE__ */ q("<path></path>"), Al = /* @__PURE__ */ q("<g role=\"presentation\"><rect height=\"20\" rx=\"4\" class=\"svelte-8tjg53\"></rect><text class=\"iw-mid svelte-8tjg53\"> </text></g>"), jl = /* @__PURE__ */ K("<span class=\"hint\">Hover over a node, or focus the graph and use the arrow keys.</span>"), Ml = /* @__PURE__ */ K("<div></div> <!> <div class=\"iw-scroll\" role=\"application\" tabindex=\"0\"><svg role=\"img\"><!><!><!><!></svg></div> <p class=\"readout\" data-no-export=\"\" aria-live=\"polite\"><!></p> <p class=\"iw-legend\"><span><svg aria-hidden=\"true\" width=\"30\" height=\"8\"><path class=\"edge svelte-8tjg53\" stroke-width=\"3\" d=\"M0 4H30\"></path></svg> </span> <span><svg aria-hidden=\"true\" width=\"30\" height=\"8\"><path class=\"edge negative svelte-8tjg53\" stroke-width=\"3\" d=\"M0 4H30\"></path></svg> negative</span></p> <p class=\"iw-note\"> <!><!>.</p> <!>", 1);
function Nl(e, t) {
	Re(t, !0);
	let [n, r] = [74, 22], i = /* @__PURE__ */ N(() => vo(t.view, "nodes")), a = /* @__PURE__ */ N(() => vo(t.view, "labels")), o = /* @__PURE__ */ N(() => vo(t.view, "sources")), s = /* @__PURE__ */ N(() => vo(t.view, "targets")), c = /* @__PURE__ */ N(() => _o(t.view, "weights")), l = /* @__PURE__ */ N(() => go(t.view.arrays.layers) ? t.view.arrays.layers.values : void 0), u = /* @__PURE__ */ N(() => go(t.view.arrays.positions) ? t.view.arrays.positions.values : void 0), d = /* @__PURE__ */ N(() => "tokens" in t.view.arrays ? vo(t.view, "tokens") : null), f = /* @__PURE__ */ N(() => new Map(W(i).map((e, t) => [e, t]))), p = /* @__PURE__ */ N(() => Hi(W(c).values, W(c).values.length)), h = /* @__PURE__ */ N(() => W(p).length && Math.abs(W(c).values[W(p)[0]]) || 1), g = /* @__PURE__ */ N(() => W(c).values.length - W(p).length), _ = /* @__PURE__ */ F(0), v = /* @__PURE__ */ F(null), y = /* @__PURE__ */ F(null), b = /* @__PURE__ */ F(null), x = /* @__PURE__ */ N(() => W(v) ?? Math.min(300, W(p).length)), S = /* @__PURE__ */ N(() => W(p).slice(0, W(x))), C = /* @__PURE__ */ N(() => W(x) ? Math.abs(W(c).values[W(p)[W(x) - 1]]) : 0), w = /* @__PURE__ */ N(() => W(b) ?? W(y)), T = /* @__PURE__ */ N(() => Cl({
		nodes: W(i),
		sources: W(o),
		targets: W(s),
		layers: W(l),
		positions: W(u)
	})), E = /* @__PURE__ */ N(() => Math.max(34, Math.min(110, ((W(_) || 760) - n - 30) / W(T).columns))), D = /* @__PURE__ */ N(() => Math.max(44, Math.min(72, 620 / W(T).levels))), ee = /* @__PURE__ */ N(() => n + W(T).columns * W(E) + 10), O = /* @__PURE__ */ N(() => r + W(T).levels * W(D) + (W(d) && W(u) ? 34 : 8)), te = (e) => n + (W(T).x[e] + .5) * W(E), ne = (e) => r + (W(T).levels - 1 - W(T).y[e] + .5) * W(D), re = Bi(), ie = (e, t) => re({
		source: [te(e), ne(e) - 9],
		target: [te(t), ne(t) + 9]
	}) ?? "", ae = (e, t) => t !== null && (W(f).get(W(o)[e]) === t || W(f).get(W(s)[e]) === t), oe = /* @__PURE__ */ N(() => {
		let e = /* @__PURE__ */ new Map();
		return W(l) && W(T).y.forEach((t, n) => e.set(t, ma(W(l)[n]))), [...e];
	}), se = /* @__PURE__ */ N(() => {
		let e = /* @__PURE__ */ new Map();
		if (W(u) && W(d)) for (let t = 0; t < W(i).length; t++) e.set(Math.round(W(T).x[t]), W(d)[W(u)[t]] ?? "");
		return [...e];
	});
	function ce(e) {
		let t = W(p).filter((t) => W(f).get(W(s)[t]) === e), n = W(p).filter((t) => W(f).get(W(o)[t]) === e), r = (e, t) => e.slice(0, 3).map((e) => `${$(W(a)[W(f).get(t[e])])} ${(W(c).values[e] > 0 ? "+" : "") + _a(W(c).values[e], W(c).dtype)}`).join(", "), i = [t.length ? `from ${r(t, W(o))}${t.length > 3 ? ` and ${t.length - 3} more` : ""}` : "", n.length ? `to ${r(n, W(s))}${n.length > 3 ? ` and ${n.length - 3} more` : ""}` : ""];
		return `${$(W(a)[e])}: ${i.filter(Boolean).join("; ") || "no edges"}`;
	}
	let le = /* @__PURE__ */ N(() => [...W(i).keys()].sort((e, t) => W(T).y[t] - W(T).y[e] || W(T).x[e] - W(T).x[t]));
	function ue(e) {
		let t = e.key.replace("ArrowUp", "ArrowLeft").replace("ArrowDown", "ArrowRight"), n = da({
			row: 0,
			column: W(y) === null ? -1 : W(le).indexOf(W(y))
		}, t, 1, W(i).length);
		n !== null && (e.preventDefault(), I(b, null), I(y, W(le)[n.column], !0));
	}
	var de = Ml(), k = R(de), fe = B(k, 2), pe = (e) => {
		var t = El(), n = L(t), r = B(L(n));
		ei(r), M(n), M(t), V(() => {
			Q(r, "max", W(p).length), ti(r, W(x)), Q(r, "aria-valuetext", `${W(x) ?? ""} of ${W(p).length ?? ""} edges`);
		}), G("input", r, (e) => I(v, Number(e.currentTarget.value), !0)), J(e, t);
	};
	X(fe, (e) => {
		W(p).length > 1 && e(pe);
	});
	var me = B(fe, 2), he = L(me), A = L(he);
	Z(A, 17, () => W(oe), ([e, t]) => e, (e, t) => {
		var i = /* @__PURE__ */ N(() => m(W(t), 2));
		let a = () => W(i)[0], o = () => W(i)[1], s = /* @__PURE__ */ N(() => r + (W(T).levels - 1 - a() + .5) * W(D));
		var c = Dl(), l = R(c), u = B(l), d = z(u);
		V(() => {
			Q(l, "d", `M${n ?? ""} ${W(s) ?? ""}H${W(ee) ?? ""}`), Q(u, "x", n - 10), Q(u, "y", W(s)), Y(d, `layer ${o() ?? ""}`);
		}), J(e, c);
	});
	var ge = B(A);
	Z(ge, 17, () => W(se), ([e, t]) => e, (e, t) => {
		var r = /* @__PURE__ */ N(() => m(W(t), 2));
		let i = () => W(r)[0], a = () => W(r)[1];
		var o = Ol(), s = z(o, !0);
		V((e) => {
			Q(o, "x", n + (i() + .5) * W(E)), Q(o, "y", W(O) - 12), Y(s, e);
		}, [() => qi($(a()), Math.floor(W(E) / 6.6))]), J(e, o);
	});
	var j = B(ge);
	Z(j, 16, () => [...W(S)].reverse(), (e) => e, (e, t) => {
		let n = /* @__PURE__ */ N(() => W(c).values[t]), r = /* @__PURE__ */ N(() => {
			let [e, n] = [W(f).get(W(o)[t]), W(f).get(W(s)[t])];
			return {
				from: e,
				to: n
			};
		});
		var i = kl();
		let a;
		V((e, t, r, o) => {
			a = qr(i, 0, "edge svelte-8tjg53", null, a, {
				negative: W(n) < 0,
				faint: e
			}), Q(i, "stroke-width", t), Q(i, "stroke-opacity", r), Q(i, "d", o);
		}, [
			() => W(w) !== null && !ae(t, W(w)),
			() => 1 + 3 * Math.abs(W(n)) / W(h),
			() => .25 + .75 * Math.abs(W(n)) / W(h),
			() => ie(W(r).from, W(r).to)
		]), J(e, i);
	}), Z(B(j), 18, () => W(i), (e) => e, (e, t, n) => {
		var r = Al();
		let i;
		var o = L(r), s = B(o), c = z(s, !0);
		M(r), V((e, t, a, l, u, d) => {
			i = qr(r, 0, "node svelte-8tjg53", null, i, { chosen: W(w) === W(n) }), Q(o, "x", e), Q(o, "y", t), Q(o, "width", a), Q(s, "x", l), Q(s, "y", u), Y(c, d);
		}, [
			() => te(W(n)) - Math.min(W(E), 104) / 2 + 2,
			() => ne(W(n)) - 10,
			() => Math.min(W(E), 104) - 4,
			() => te(W(n)),
			() => ne(W(n)),
			() => qi($(W(a)[W(n)]), Math.max(3, Math.floor((Math.min(W(E), 104) - 8) / 6.4)))
		]), ar("pointerenter", r, () => I(b, W(n), !0)), ar("pointerleave", r, () => I(b, null)), G("pointerdown", r, () => I(y, W(n), !0)), J(e, r);
	}), M(he), M(me);
	var _e = B(me, 2), ve = L(_e), be = (e) => {
		var t = hr();
		V((e) => Y(t, e), [() => ce(W(w))]), J(e, t);
	}, xe = (e) => {
		J(e, jl());
	};
	X(ve, (e) => {
		W(w) === null ? e(xe, -1) : e(be);
	}), M(_e);
	var Se = B(_e, 2), Ce = L(Se), we = B(L(Ce));
	M(Ce), ye(2), M(Se);
	var Te = B(Se, 2), Ee = L(Te), De = B(Ee), Oe = (e) => {
		var t = hr();
		V((e, n) => Y(t, `, those of ${e ?? ""} and more; ${n ?? ""} weaker ones are hidden here and are in the table`), [() => ma(W(C)), () => (W(p).length - W(x)).toLocaleString("en")]), J(e, t);
	};
	X(De, (e) => {
		W(x) < W(p).length && e(Oe);
	});
	var ke = B(De), Ae = (e) => {
		var t = hr();
		V((e) => Y(t, `; ${e ?? ""} have no number and are only in the table`), [() => W(g).toLocaleString("en")]), J(e, t);
	};
	X(ke, (e) => {
		W(g) && e(Ae);
	}), ye(), M(Te), ho(B(Te, 2), {
		summary: "Exact values, strongest first",
		head: [
			"from",
			"to",
			"weight"
		],
		get count() {
			return W(c).values.length;
		},
		row: (e) => {
			let t = e < W(p).length ? W(p)[e] : Array.from(W(c).values).flatMap((e, t) => Number.isNaN(e) ? [t] : [])[e - W(p).length];
			return [
				$(W(o)[t]),
				$(W(s)[t]),
				_a(W(c).values[t], W(c).dtype)
			];
		}
	}), V((e, n, r) => {
		Q(me, "aria-label", `${(t.view.title || "Graph") ?? ""}: ${W(i).length ?? ""} nodes, ${W(c).values.length ?? ""} edges. Arrow keys go from node to node, which is read out.`), Q(he, "aria-label", `${(t.view.title || "Graph") ?? ""} of ${W(i).length ?? ""} nodes`), Q(he, "width", W(ee)), Q(he, "height", W(O)), Y(we, ` positive, up to ${e ?? ""}`), Y(Ee, `${n ?? ""} of ${r ?? ""} edges are drawn`);
	}, [
		() => ha(W(h)),
		() => W(x).toLocaleString("en"),
		() => W(c).values.length.toLocaleString("en")
	]), si(k, "clientWidth", (e) => I(_, e)), G("keydown", me, ue), ar("focus", me, () => I(y, W(y) ?? W(le)[0] ?? null, !0)), J(e, de), ze();
}
or([
	"input",
	"keydown",
	"pointerdown"
]);
// src/kinds/Heatmap.svelte
var Pl = /* @__PURE__ */ K("<p class=\"iw-note\">This grid has no cells.</p>"), Fl = /* @__PURE__ */ K("<tr><td class=\"iw-num\"></td><th scope=\"row\"> </th><td class=\"iw-num\"> </td></tr>"), Il = /* @__PURE__ */ K("<table class=\"top svelte-kqqe1j\"><caption class=\"svelte-kqqe1j\"> </caption><tbody></tbody></table>"), Ll = /* @__PURE__ */ K("<p class=\"iw-note\"> </p>"), Rl = /* @__PURE__ */ K("<!> <!> <!> <!> <!> <!>", 1);
function zl(e, t) {
	Re(t, !0);
	let n = /* @__PURE__ */ N(() => _o(t.view, "values")), r = /* @__PURE__ */ N(() => W(n).values), i = /* @__PURE__ */ N(() => W(n).dtype), a = /* @__PURE__ */ N(() => vo(t.view, "rows")), o = /* @__PURE__ */ N(() => vo(t.view, "columns")), s = /* @__PURE__ */ N(() => "columns_other" in t.view.arrays ? vo(t.view, "columns_other") : void 0), c = /* @__PURE__ */ N(() => "predictions" in t.view.arrays ? vo(t.view, "predictions") : null), l = /* @__PURE__ */ N(() => String(t.view.state.label ?? "value")), u = /* @__PURE__ */ N(() => ea(W(r))), d = /* @__PURE__ */ N(() => Array.prototype.filter.call(W(r), Number.isNaN).length), f = /* @__PURE__ */ N(() => Array.prototype.filter.call(W(r), (e) => Math.abs(e) === Infinity).length), p = /* @__PURE__ */ N(() => ({
		rows: W(a),
		columns: W(o),
		beneath: W(s),
		rowTitle: t.view.state.row_title,
		columnTitle: t.view.state.column_title
	})), m = /* @__PURE__ */ N(() => `${W(c) ? "Words" : "Heatmap"} of ${t.view.title || W(l)}`), h = /* @__PURE__ */ N(() => [Pa(W(a).length), Pa(W(o).length)]), g = /* @__PURE__ */ F(null), _ = (e, t) => W(r)[e * W(o).length + t], v = (e, t) => _a(_(e, t), W(i)), y = (e, t) => (W(u).isSigned && _(e, t) > 0 ? "+" : "") + v(e, t);
	function b({ row: e, column: n }) {
		let r = W(s) && W(s)[n] !== W(o)[n] ? ` | ${$(W(s)[n])}` : "";
		return `${`${x(t.view.state.row_title, W(a)[e])} · ${x(t.view.state.column_title, W(o)[n])}${r}`}: ${W(c) ? `${Wi(W(c)[e * W(o).length + n])}, ` : ""}${y(e, n)}`;
	}
	let x = (e, t) => e && /^\d+$/.test(t) ? `${e} ${t}` : $(t);
	function S(e, t) {
		return W(c) ? $(W(c)[e * W(o).length + t]) : W(r).length > 600 || Number.isNaN(_(e, t)) ? "" : ga(_(e, t), W(u).limit);
	}
	let C = /* @__PURE__ */ N(() => {
		let e = t.view.arrays.top_tokens;
		if (W(g) === null || e === void 0 || go(e)) return null;
		let n = e.shape[2], r = (W(g).row * W(o).length + W(g).column) * n, i = t.view.arrays.top_values;
		return Array.from({ length: n }, (t, n) => ({
			word: Wi(String(e.items[r + n] ?? "")),
			share: go(i) ? _a(i.values[r + n], i.dtype) : ""
		}));
	}), w = /* @__PURE__ */ N(() => W(o).length > 40);
	function T() {
		let e = Uint32Array.from({ length: W(r).length }, (e, t) => t), t = (e) => Number.isNaN(W(r)[e]) ? -1 : Math.abs(W(r)[e]);
		return e.sort((e, n) => t(n) - t(e));
	}
	let E = null;
	function D(e) {
		E ??= T();
		let t = E[e], [n, r] = [Math.floor(t / W(o).length), t % W(o).length];
		return [
			$(W(a)[n]),
			$(W(o)[r]),
			...W(c) ? [Wi(W(c)[t])] : [],
			v(n, r)
		];
	}
	let ee = (e) => [$(W(a)[e]), ...W(o).map((t, n) => (W(c) ? `${Wi(W(c)[e * W(o).length + n])} ` : "") + v(e, n))];
	var O = gr(), te = R(O), ne = (e) => {
		J(e, Pl());
	}, re = (e) => {
		var n = Rl(), i = R(n);
		{
			let e = /* @__PURE__ */ N(() => W(c) !== null);
			Ja(i, {
				get labels() {
					return W(p);
				},
				at: _,
				get limit() {
					return W(u).limit;
				},
				get name() {
					return W(m);
				},
				say: b,
				inside: S,
				get hasWords() {
					return W(e);
				},
				get chosen() {
					return W(g);
				},
				set chosen(e) {
					I(g, e, !0);
				}
			});
		}
		var v = B(i, 2), y = (e) => {
			var t = Il(), n = L(t), r = z(n, !0), i = B(n);
			Z(i, 21, () => W(C), kr, (e, t, n) => {
				let r = () => W(t).word, i = () => W(t).share;
				var a = Fl(), o = L(a);
				o.textContent = n + 1;
				var s = B(o), c = z(s, !0), l = z(B(s), !0);
				M(a), V(() => {
					Y(c, r()), Y(l, i());
				}), J(e, a);
			}), M(i), M(t), V((e) => Y(r, e), [() => b(W(g)).split(": ")[0]]), J(e, t);
		};
		X(v, (e) => {
			W(C) && e(y);
		});
		var x = B(v, 2);
		eo(x, {
			get scale() {
				return W(u);
			},
			get label() {
				return W(l);
			},
			get missing() {
				return W(d);
			},
			get infinite() {
				return W(f);
			}
		});
		var T = B(x, 2), E = (e) => {
			var n = Ll(), r = z(n);
			V(() => Y(r, `Above: ${(t.view.state.column_title || "one prompt") ?? ""}. Beneath: ${(t.view.state.other_title || "the other") ?? ""}, underlined where it differs.`)), J(e, n);
		};
		X(T, (e) => {
			W(s) && e(E);
		});
		var O = B(T, 2), te = (e) => {
			var t = Ll(), n = z(t);
			V((e) => Y(n, `${e ?? ""}. Each pixel is the strongest of up to ${W(h)[0] ?? ""}×${W(h)[1] ?? ""} cells.`), [() => xa(W(r).length, "cell")]), J(e, t);
		};
		X(O, (e) => {
			W(h)[0] * W(h)[1] > 1 && e(te);
		});
		var ne = B(O, 2), re = (e) => {
			{
				let n = /* @__PURE__ */ N(() => [
					t.view.state.row_title || "row",
					t.view.state.column_title || "column",
					...W(c) ? ["word"] : [],
					W(l)
				]);
				ho(e, {
					summary: "Exact values, strongest first",
					get head() {
						return W(n);
					},
					get count() {
						return W(r).length;
					},
					row: D
				});
			}
		}, ie = (e) => {
			{
				let t = /* @__PURE__ */ N(() => ["", ...W(o).map($)]);
				ho(e, {
					summary: "Exact values",
					get head() {
						return W(t);
					},
					get count() {
						return W(a).length;
					},
					row: ee
				});
			}
		};
		X(ne, (e) => {
			W(w) ? e(re) : e(ie, -1);
		}), J(e, n);
	};
	X(te, (e) => {
		W(r).length === 0 ? e(ne) : e(re, -1);
	}), J(e, O), ze();
}
// src/kinds/Series.svelte
var Bl = /* @__PURE__ */ K("<p class=\"iw-note\">This series has no finite point to draw.</p>"), Vl = /* @__PURE__ */ q("<path></path><text class=\"iw-row\"> </text>", 1), Hl = /* @__PURE__ */ q("<path class=\"iw-grid\"></path><text class=\"iw-col\"> </text>", 1), Ul = /* @__PURE__ */ q("<text class=\"iw-axis\"> </text>"), Wl = /* @__PURE__ */ q("<text class=\"iw-axis\" x=\"13\"> </text>"), Gl = /* @__PURE__ */ q("<path class=\"iw-zero\"></path>"), Kl = /* @__PURE__ */ q("<path class=\"iw-band\"></path>"), ql = /* @__PURE__ */ q("<circle></circle>"), Jl = /* @__PURE__ */ q("<g><!><path class=\"iw-line\"></path><!></g>"), Yl = /* @__PURE__ */ K("<span class=\"hint\">Hover over the lines, or focus them and use the arrow keys.</span>"), Xl = /* @__PURE__ */ K("<span><svg aria-hidden=\"true\" width=\"30\" height=\"8\"><path class=\"iw-line\" d=\"M0 4H30\"></path></svg> </span>"), Zl = /* @__PURE__ */ K("<p class=\"iw-note\"> </p>"), Ql = /* @__PURE__ */ K("<div class=\"iw-scroll\" role=\"application\" tabindex=\"0\"><svg role=\"img\"><!><!><!><!><!><!></svg></div> <p class=\"readout\" data-no-export=\"\" aria-live=\"polite\"><!></p> <p class=\"iw-legend\"></p> <!> <!>", 1), $l = /* @__PURE__ */ K("<div></div> <!> <!>", 1);
function eu(e, t) {
	Re(t, !0);
	let [n, r, i, a, o] = [
		290,
		70,
		16,
		12,
		48
	], s = [
		"",
		"7 4",
		"2 3",
		"9 3 2 3",
		"4 4",
		"12 4",
		"1 4",
		"6 2 1 2 1 2"
	], c = 2e3, l = /* @__PURE__ */ N(() => vo(t.view, "names")), u = /* @__PURE__ */ N(() => _o(t.view, "y")), d = /* @__PURE__ */ N(() => W(u).shape[1]), f = /* @__PURE__ */ N(() => go(t.view.arrays.low) ? t.view.arrays.low.values : null), p = /* @__PURE__ */ N(() => go(t.view.arrays.high) ? t.view.arrays.high.values : null), m = /* @__PURE__ */ N(() => t.view.arrays.x), h = /* @__PURE__ */ N(() => go(W(m)) && Array.prototype.every.call(W(m).values, Number.isFinite)), g = /* @__PURE__ */ N(() => W(h) && go(W(m)) ? W(m).values : Array.from({ length: W(d) }, (e, t) => t)), _ = /* @__PURE__ */ N(() => vo(t.view, "x")), v = (e, t) => Array.from({ length: W(d) }, (n, r) => e[t * W(d) + r]), y = /* @__PURE__ */ F(0), b = /* @__PURE__ */ F(null), x = /* @__PURE__ */ F(null), S = /* @__PURE__ */ N(() => W(x) ?? W(b)), C = /* @__PURE__ */ N(() => Math.max(360, Math.min(860, W(y) || 760))), w = /* @__PURE__ */ N(() => {
		let [e, t] = [Infinity, -Infinity];
		for (let n of [
			W(u).values,
			W(f) ?? [],
			W(p) ?? []
		]) for (let r = 0; r < n.length; r++) Number.isFinite(n[r]) && ([e, t] = [Math.min(e, n[r]), Math.max(t, n[r])]);
		return t < e ? null : t > e ? [e, t] : [e - (Math.abs(e) / 2 || 1), t + (Math.abs(t) / 2 || 1)];
	}), T = /* @__PURE__ */ N(() => ml().domain(W(w) ?? [0, 1]).nice(5).range([n - o, a])), E = /* @__PURE__ */ N(() => {
		let [e, t] = [Infinity, -Infinity];
		for (let n = 0; n < W(g).length; n++) [e, t] = [Math.min(e, W(g)[n]), Math.max(t, W(g)[n])];
		return t > e ? [e, t] : [e - 1, e + 1];
	}), D = /* @__PURE__ */ N(() => ml().domain(W(E)).range([r, W(C) - i])), ee = /* @__PURE__ */ N(() => {
		if (W(h)) {
			let e = go(W(m)) && W(m).dtype.includes("int");
			return W(D).ticks(8).filter((t) => !e || Number.isInteger(t)).map((t) => ({
				at: t,
				text: e ? ma(t) : W(D).tickFormat(8)(t)
			}));
		}
		let e = Math.max(1, Math.ceil(W(d) / 12));
		return W(_).flatMap((t, n) => n % e === 0 ? [{
			at: n,
			text: qi($(t), 12)
		}] : []);
	}), O = /* @__PURE__ */ N(() => Array.prototype.filter.call(W(u).values, (e) => !Number.isFinite(e)).length);
	function te(e) {
		let t = v(W(u).values, e);
		return ji().defined((e) => Number.isFinite(t[e])).x((e) => W(D)(W(g)[e])).y((e) => W(T)(t[e]))(Vi(t, c)) ?? "";
	}
	function ne(e) {
		let [t, n] = [v(W(f), e), v(W(p), e)], r = Vi(t, c);
		return Mi().defined((e) => Number.isFinite(t[e]) && Number.isFinite(n[e])).x((e) => W(D)(W(g)[e])).y0((e) => W(T)(t[e])).y1((e) => W(T)(n[e]))(r) ?? "";
	}
	let re = (e, t) => _a(W(u).values[e * W(d) + t], W(u).dtype), ie = (e, t) => W(f) && W(p) ? ` [${_a(W(f)[e * W(d) + t])}, ${_a(W(p)[e * W(d) + t])}]` : "", ae = (e) => `${t.view.state.x_title ? `${t.view.state.x_title} ` : ""}${$(W(_)[e])}`, oe = (e) => `${ae(e)}: ${W(l).map((t, n) => `${t} ${re(n, e)}${ie(n, e)}`).join(" · ")}`;
	function se(e) {
		let t = e.currentTarget.getBoundingClientRect(), n = W(D).invert(e.clientX - t.left), r = 0;
		for (let e = 1; e < W(d); e++) Math.abs(W(g)[e] - n) < Math.abs(W(g)[r] - n) && (r = e);
		return r;
	}
	function ce(e) {
		let t = da({
			row: 0,
			column: W(b) ?? -1
		}, e.key, 1, W(d));
		t !== null && (e.preventDefault(), I(x, null), I(b, t.column, !0));
	}
	var le = $l(), ue = R(le), de = B(ue, 2), k = (e) => {
		J(e, Bl());
	}, fe = (e) => {
		var m = Ql(), h = R(m), _ = L(h), v = L(_);
		Z(v, 16, () => W(T).ticks(5), (e) => e, (e, t) => {
			var n = Vl(), a = R(n), o = B(a), s = z(o, !0);
			V((e, n, c) => {
				qr(a, 0, Vr(t === 0 ? "iw-zero" : "iw-grid")), Q(a, "d", `M${r ?? ""} ${e ?? ""}H${W(C) - i}`), Q(o, "x", r - 8), Q(o, "y", n), Y(s, c);
			}, [
				() => W(T)(t),
				() => W(T)(t),
				() => W(T).tickFormat(5)(t)
			]), J(e, n);
		});
		var y = B(v);
		Z(y, 17, () => W(ee), ({ at: e, text: t }) => e, (e, t) => {
			let r = () => W(t).at, i = () => W(t).text;
			var a = Hl(), s = R(a), c = B(s), l = z(c, !0);
			V((e, t) => {
				Q(s, "d", `M${e ?? ""} ${n - o}v4`), Q(c, "x", t), Q(c, "y", n - o + 17), Y(l, i());
			}, [() => W(D)(r()), () => W(D)(r())]), J(e, a);
		});
		var w = B(y), E = (e) => {
			var a = Ul(), o = z(a, !0);
			V(() => {
				Q(a, "x", (r + W(C) - i) / 2), Q(a, "y", n - 8), Y(o, t.view.state.x_title);
			}), J(e, a);
		};
		X(w, (e) => {
			t.view.state.x_title && e(E);
		});
		var re = B(w), ie = (e) => {
			let r = /* @__PURE__ */ N(() => (a + n - o) / 2);
			var i = Wl(), s = z(i, !0);
			V(() => {
				Q(i, "y", W(r)), Q(i, "transform", `rotate(-90 13 ${W(r) ?? ""})`), Y(s, t.view.state.y_title);
			}), J(e, i);
		};
		X(re, (e) => {
			t.view.state.y_title && e(ie);
		});
		var ae = B(re), le = (e) => {
			var t = Gl();
			V((e) => Q(t, "d", `M${e ?? ""} ${a ?? ""}V${n - o}`), [() => W(D)(W(g)[W(S)])]), J(e, t);
		};
		X(ae, (e) => {
			W(S) !== null && e(le);
		}), Z(B(ae), 17, () => W(l), kr, (e, t, n) => {
			var r = Jl();
			qr(r, 0, `iw-s${n % 8}`);
			var i = L(r), a = (e) => {
				var t = Kl();
				V((e) => Q(t, "d", e), [() => ne(n)]), J(e, t);
			};
			X(i, (e) => {
				W(f) && W(p) && e(a);
			});
			var o = B(i);
			Z(B(o), 16, () => W(d) <= 40 ? [...Array(W(d)).keys()] : W(S) === null ? [] : [W(S)], (e) => e, (e, t) => {
				var r = gr(), i = R(r), a = (e) => {
					var r = ql();
					V((e, n) => {
						Q(r, "cx", e), Q(r, "cy", n), Q(r, "r", t === W(S) ? 4.5 : 2.6);
					}, [() => W(D)(W(g)[t]), () => W(T)(W(u).values[n * W(d) + t])]), J(e, r);
				}, o = /* @__PURE__ */ N(() => Number.isFinite(W(u).values[n * W(d) + t]));
				X(i, (e) => {
					W(o) && e(a);
				}), J(e, r);
			}), M(r), V((e) => {
				Q(o, "stroke-dasharray", s[n % 8] || void 0), Q(o, "d", e);
			}, [() => te(n)]), J(e, r);
		}), M(_), M(h);
		var ue = B(h, 2), de = L(ue), k = (e) => {
			var t = hr();
			V((e) => Y(t, e), [() => oe(W(S))]), J(e, t);
		}, fe = (e) => {
			J(e, Yl());
		};
		X(de, (e) => {
			W(S) === null ? e(fe, -1) : e(k);
		}), M(ue);
		var pe = B(ue, 2);
		Z(pe, 21, () => W(l), kr, (e, t, n) => {
			var r = Xl();
			qr(r, 1, `iw-s${n % 8}`);
			var i = L(r), a = z(i), o = B(i);
			M(r), V(() => {
				Q(a, "stroke-dasharray", s[n % 8] || void 0), Y(o, ` ${W(t) ?? ""}`);
			}), J(e, r);
		}), M(pe);
		var me = B(pe, 2), he = (e) => {
			var t = Zl(), n = z(t);
			V((e) => Y(n, `${e ?? ""} not finite and left out of the lines.`), [() => xa(W(O), "point")]), J(e, t);
		};
		X(me, (e) => {
			W(O) && e(he);
		});
		var A = B(me, 2), ge = (e) => {
			var t = Zl(), n = z(t);
			V((e, t) => Y(n, `Of ${e ?? ""} points per line, the lowest and the highest of every ${t ?? ""} are drawn.`), [() => W(d).toLocaleString("en"), () => Math.ceil(W(d) / (c / 2))]), J(e, t);
		};
		X(A, (e) => {
			W(d) > c && e(ge);
		}), V((e, r) => {
			Q(h, "aria-label", `${(t.view.title || "Series") ?? ""}: ${e ?? ""}; ${W(d) ?? ""} points. Left and right move, the values are read out.`), Q(_, "aria-label", `${(t.view.title || "Series") ?? ""}: ${r ?? ""}`), Q(_, "width", W(C)), Q(_, "height", n);
		}, [() => W(l).join(", "), () => W(l).join(", ")]), G("keydown", h, ce), ar("focus", h, () => I(b, W(b) ?? 0)), G("pointermove", _, (e) => I(x, se(e), !0)), ar("pointerleave", _, () => I(x, null)), J(e, m);
	};
	X(de, (e) => {
		W(w) === null ? e(k) : e(fe, -1);
	});
	var pe = B(de, 2);
	{
		let e = /* @__PURE__ */ N(() => [t.view.state.x_title || "x", ...W(l)]);
		ho(pe, {
			summary: "Exact values",
			get head() {
				return W(e);
			},
			get count() {
				return W(d);
			},
			row: (e) => [$(W(_)[e]), ...W(l).map((t, n) => re(n, e))]
		});
	}
	si(ue, "clientWidth", (e) => I(y, e)), J(e, le), ze();
}
or(["keydown", "pointermove"]);
// src/kinds/Table.svelte
var tu = /* @__PURE__ */ K("<th scope=\"col\"><button type=\"button\" class=\"plain\"> </button></th>"), nu = /* @__PURE__ */ K("<td> </td>"), ru = /* @__PURE__ */ K("<tr></tr>"), iu = /* @__PURE__ */ K("<p class=\"iw-note\"> <button type=\"button\">Previous</button> <button type=\"button\">Next</button></p>"), au = /* @__PURE__ */ K("<div class=\"iw-scroll\" tabindex=\"0\" role=\"region\"><table><thead><tr></tr></thead><tbody></tbody></table></div> <!>", 1);
function ou(e, t) {
	Re(t, !0);
	let n = /* @__PURE__ */ N(() => t.view.names), r = /* @__PURE__ */ N(() => W(n).map((e) => t.view.arrays[e])), i = /* @__PURE__ */ N(() => W(r).length ? W(r)[0].shape[0] : 0), a = /* @__PURE__ */ F(-1), o = /* @__PURE__ */ F(!0), s = /* @__PURE__ */ F(0), c = /* @__PURE__ */ N(() => Math.min(W(s) + 50, W(i))), l = (e, t) => go(e) && e.dtype !== "bool" ? e.values[t] : go(e) ? !!e.values[t] : e.items[t], u = /* @__PURE__ */ N(() => {
		let e = Array.from({ length: W(i) }, (e, t) => t);
		if (W(a) < 0) return e;
		let t = W(r)[W(a)], n = W(o) ? -1 : 1;
		return e.sort((e, r) => {
			let [i, a] = [l(t, e), l(t, r)], o = (e) => e == null || Number.isNaN(e);
			return o(i) || o(a) ? Number(o(i)) - Number(o(a)) : typeof i == "number" && typeof a == "number" ? n * (i - a) : n * String(i).localeCompare(String(a));
		});
	}), d = (e) => go(e) ? e.dtype !== "bool" : e.items.every((e) => typeof e == "number") && e.items.length > 0, f = (e) => go(e) ? e.dtype : "float64", p = (e) => e == null ? "" : typeof e == "number" ? ma(e, 4) : $(String(e)), m = (e, t) => typeof t == "number" ? _a(t, f(e)) : void 0;
	function h(e) {
		I(o, W(a) !== e || !W(o), !0), I(a, e, !0), I(s, 0);
	}
	var g = au(), _ = R(g), v = L(_), y = L(v), b = L(y);
	Z(b, 21, () => W(n), kr, (e, t, n) => {
		var i = tu();
		let s;
		var c = L(i), l = z(c);
		M(i), V((e) => {
			Q(i, "aria-sort", W(a) === n ? W(o) ? "descending" : "ascending" : void 0), s = qr(i, 1, "", null, s, { "iw-num": e }), Y(l, `${W(t) ?? ""}${W(a) === n ? W(o) ? " ↓" : " ↑" : ""}`);
		}, [() => d(W(r)[n])]), G("click", c, () => h(n)), J(e, i);
	}), M(b), M(y);
	var x = B(y);
	Z(x, 20, () => W(u).slice(W(s), W(c)), (e) => e, (e, t) => {
		var n = ru();
		Z(n, 21, () => W(r), kr, (e, n) => {
			let r = /* @__PURE__ */ N(() => l(W(n), t));
			var i = nu();
			let a;
			var o = z(i, !0);
			V((e, t) => {
				Q(i, "title", e), a = qr(i, 1, "", null, a, { "iw-num": typeof W(r) == "number" }), Y(o, t);
			}, [() => m(W(n), W(r)), () => p(W(r))]), J(e, i);
		}), M(n), J(e, n);
	}), M(x), M(v), M(_);
	var S = B(_, 2), C = (e) => {
		var t = iu(), n = L(t), r = B(n), a = B(r, 2);
		M(t), V((e) => {
			Y(n, `Rows ${W(s) + 1} to ${W(c) ?? ""} of ${e ?? ""}. `), r.disabled = W(s) === 0, a.disabled = W(c) === W(i);
		}, [() => W(i).toLocaleString("en")]), G("click", r, () => I(s, W(s) - 50)), G("click", a, () => I(s, W(s) + 50)), J(e, t);
	};
	X(S, (e) => {
		W(i) > 50 && e(C);
	}), V(() => Q(_, "aria-label", t.view.title || "Table")), J(e, g), ze();
}
or(["click"]);
// src/kinds/Tokens.svelte
var su = /* @__PURE__ */ K("<small> </small>"), cu = /* @__PURE__ */ K("<br/>"), lu = /* @__PURE__ */ K("<span><bdi> </bdi><!></span><!>", 1), uu = /* @__PURE__ */ K("<span class=\"hint\">Hover over a token, or focus the strip and use the arrow keys.</span>"), du = /* @__PURE__ */ K("<div class=\"iw-tokens\" role=\"application\" tabindex=\"0\"></div> <p class=\"readout\" data-no-export=\"\" aria-live=\"polite\"><!></p> <!> <!>", 1);
function fu(e, t) {
	Re(t, !0);
	let n = /* @__PURE__ */ N(() => vo(t.view, "tokens")), r = /* @__PURE__ */ N(() => t.view.arrays.values), i = /* @__PURE__ */ N(() => go(W(r)) ? W(r) : null), a = /* @__PURE__ */ N(() => go(t.view.arrays.special) ? t.view.arrays.special.values : null), o = /* @__PURE__ */ N(() => W(i) ? ea(W(i).values) : null), s = /* @__PURE__ */ N(() => String(t.view.state.label ?? "value")), c = /* @__PURE__ */ F(void 0), l = /* @__PURE__ */ F(null), u = /* @__PURE__ */ F(null), d = /* @__PURE__ */ F(null), f = /* @__PURE__ */ N(() => W(d) ?? W(u));
	sn(() => {
		pa.version, W(c) && I(l, ca(W(c)));
	});
	let p = (e) => W(i) ? (W(i).values[e] > 0 ? "+" : "") + _a(W(i).values[e], W(i).dtype) : "", m = (e) => `${e} ${Wi(W(n)[e])}${W(i) ? `: ${W(s)} ${p(e)}` : ""}`, h = (e) => W(i) && W(o) ? ta(W(i).values[e], W(o).limit) : 0;
	function g(e) {
		return W(l) === null || W(i) === null || Number.isNaN(h(e)) ? "" : `background:${aa(W(l), h(e))};color:${ra(W(l), h(e))}`;
	}
	function _(e) {
		let t = e.key.replace("ArrowUp", "ArrowLeft").replace("ArrowDown", "ArrowRight"), r = da({
			row: 0,
			column: W(u) ?? -1
		}, t, 1, W(n).length);
		r !== null && (e.preventDefault(), I(d, null), I(u, r.column, !0));
	}
	let v = (e) => {
		let t = e.target.closest("[data-index]");
		return t ? Number(t.dataset.index) : null;
	};
	var y = du(), b = R(y);
	Z(b, 21, () => W(n), kr, (e, n, r) => {
		var o = lu(), s = R(o);
		let c;
		Q(s, "data-index", r);
		var l = L(s), d = z(l, !0), f = B(l), p = (e) => {
			var t = su(), n = z(t, !0);
			V((e) => Y(n, e), [() => ha(W(i).values[r])]), J(e, t);
		};
		X(f, (e) => {
			W(i) && t.view.state.print_values && e(p);
		}), M(s);
		var m = B(s), _ = (e) => {
			J(e, cu());
		}, v = /* @__PURE__ */ N(() => W(n).includes("\n"));
		X(m, (e) => {
			W(v) && e(_);
		}), V((e, t, n, i) => {
			c = qr(s, 1, "iw-t svelte-q4mmr1", null, c, {
				"iw-special": W(a)?.[r],
				"iw-nan": e,
				negative: t,
				chosen: W(u) === r
			}), Yr(s, n), Y(d, i);
		}, [
			() => W(i) && Number.isNaN(h(r)),
			() => h(r) < 0,
			() => g(r),
			() => Wi(W(n))
		]), J(e, o);
	}), M(b), li(b, (e) => I(c, e), () => W(c));
	var x = B(b, 2), S = L(x), C = (e) => {
		var t = hr();
		V((e) => Y(t, e), [() => m(W(f))]), J(e, t);
	}, w = (e) => {
		J(e, uu());
	};
	X(S, (e) => {
		W(f) === null ? e(w, -1) : e(C);
	}), M(x);
	var T = B(x, 2), E = (e) => {
		{
			let t = /* @__PURE__ */ N(() => Array.prototype.filter.call(W(i).values, Number.isNaN).length);
			eo(e, {
				get scale() {
					return W(o);
				},
				get label() {
					return W(s);
				},
				get missing() {
					return W(t);
				}
			});
		}
	};
	X(T, (e) => {
		W(o) && e(E);
	});
	var D = B(T, 2);
	{
		let e = /* @__PURE__ */ N(() => [
			"",
			"token",
			...W(i) ? [W(s)] : []
		]);
		ho(D, {
			summary: "Exact values",
			get head() {
				return W(e);
			},
			get count() {
				return W(n).length;
			},
			row: (e) => [
				String(e),
				Wi(W(n)[e]),
				...W(i) ? [p(e)] : []
			]
		});
	}
	V(() => Q(b, "aria-label", `${(t.view.title || W(s)) ?? ""}: ${W(n).length ?? ""} tokens. Arrow keys move, the value is read out.`)), G("keydown", b, _), ar("focus", b, () => I(u, W(u) ?? 0)), G("pointermove", b, (e) => I(d, v(e), !0)), ar("pointerleave", b, () => I(d, null)), G("pointerdown", b, (e) => I(u, v(e) ?? W(u), !0)), J(e, y), ze();
}
or([
	"keydown",
	"pointermove",
	"pointerdown"
]);
// src/save/figure.ts
var pu = [
	"fill",
	"fill-opacity",
	"stroke",
	"stroke-opacity",
	"stroke-width",
	"stroke-dasharray",
	"stroke-linejoin",
	"opacity",
	"color"
], mu = [
	"font-family",
	"font-size",
	"font-weight",
	"text-anchor",
	"dominant-baseline",
	"text-decoration-line"
], hu = "http://www.w3.org/2000/svg";
function gu(e, t) {
	let n = e.getBoundingClientRect(), r = Math.max(e.scrollWidth, ...[...e.querySelectorAll(".iw-scroll")].map((e) => e.scrollWidth)), [i, a] = [Math.ceil(r) + 24, Math.ceil(n.height) + 24], o = document.createElementNS(hu, "svg");
	return o.setAttribute("xmlns", hu), o.setAttribute("viewBox", `0 0 ${i} ${a}`), o.setAttribute("width", String(i)), o.setAttribute("height", String(a)), o.append(Su("title", {}, t)), o.append(Su("rect", {
		width: i,
		height: a,
		fill: getComputedStyle(e).getPropertyValue("--bg").trim()
	})), _u(e, o, {
		x: n.left - 12,
		y: n.top - 12
	}), {
		text: new XMLSerializer().serializeToString(o),
		width: i,
		height: a
	};
}
function _u(e, t, n) {
	if (e.hasAttribute("data-no-export")) return;
	let r = e.getBoundingClientRect(), i = getComputedStyle(e);
	if (i.display === "none" || i.visibility === "hidden") return;
	let [a, o] = [r.left - n.x, r.top - n.y];
	if (e instanceof HTMLCanvasElement) {
		let n = e.toDataURL();
		t.append(Su("image", {
			x: a,
			y: o,
			width: r.width,
			height: r.height,
			href: n,
			style: "image-rendering:pixelated"
		}));
	} else if (e instanceof SVGSVGElement) t.append(xu(e, a, o));
	else {
		vu(i, r, a, o, t);
		for (let r of e.childNodes) r instanceof Element ? _u(r, t, n) : r.nodeType === Node.TEXT_NODE && bu(r, i, t, n);
	}
}
function vu(e, t, n, r, i) {
	if (/^rgba\(.*, 0\)$|^transparent$/.test(e.backgroundColor) || i.append(Su("rect", {
		x: n,
		y: r,
		width: t.width,
		height: t.height,
		rx: parseFloat(e.borderRadius) || 0,
		fill: e.backgroundColor
	})), e.backgroundImage.includes("repeating-linear-gradient") && i.append(Su("path", {
		d: yu(n, r, t),
		stroke: e.getPropertyValue("--soft").trim(),
		"stroke-width": 1
	})), parseFloat(e.borderBottomWidth) > 0 && e.borderBottomStyle !== "none") {
		let a = r + t.height - parseFloat(e.borderBottomWidth) / 2, o = e.borderBottomStyle === "dotted" ? { "stroke-dasharray": "2 2" } : {};
		i.append(Su("path", {
			d: `M${n} ${a}h${t.width}`,
			stroke: e.borderBottomColor,
			"stroke-width": e.borderBottomWidth,
			...o
		}));
	}
}
function yu(e, t, n) {
	let r = "";
	for (let i = 4 - n.height; i < n.width; i += 6) {
		let [a, o] = [Math.max(0, i), Math.min(n.width, i + n.height)];
		o > a && (r += `M${e + a} ${t + n.height - (a - i)}L${e + o} ${t + n.height - (o - i)}`);
	}
	return r;
}
function bu(e, t, n, r) {
	if (!e.data.trim()) return;
	let i = document.createRange(), a = null, o = [], s = 0;
	for (let t of e.data) {
		i.setStart(e, s), i.setEnd(e, s + t.length), s += t.length;
		let n = i.getBoundingClientRect();
		(n.width !== 0 || a) && (a && (Math.abs(n.top - a.box.top) < 3 || n.width === 0) ? a.text += t : o.push(a = {
			text: t,
			box: n
		}));
	}
	for (let { text: e, box: i } of o) n.append(Su("text", {
		x: i.left - r.x,
		y: i.top - r.y + i.height / 2,
		fill: t.color,
		style: `font:${t.fontWeight} ${t.fontSize} ${t.fontFamily.replace(/"/g, "'")};dominant-baseline:central;white-space:pre`
	}, e.trimEnd()));
}
function xu(e, t, n) {
	let r = e.cloneNode(!0), [i, a] = [e.querySelectorAll("*"), r.querySelectorAll("*")];
	i.forEach((e, t) => {
		let n = getComputedStyle(e), r = e.tagName === "text" ? [...pu, ...mu] : pu;
		a[t].setAttribute("style", r.map((e) => `${e}:${n.getPropertyValue(e).replace(/"/g, "'")}`).join(";")), a[t].removeAttribute("class");
	});
	for (let e of [
		"class",
		"tabindex",
		"role",
		"style"
	]) r.removeAttribute(e);
	return r.setAttribute("x", String(t)), r.setAttribute("y", String(n)), r.setAttribute("overflow", "visible"), r;
}
function Su(e, t, n = "") {
	let r = document.createElementNS(hu, e);
	for (let [e, n] of Object.entries(t)) r.setAttribute(e, typeof n == "number" ? String(Math.round(n * 100) / 100) : n);
	return n && (r.textContent = n), r;
}
// src/save/download.ts
var Cu = 2;
function wu(e, t) {
	return e.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60) || t;
}
function Tu(e, t, n) {
	let { text: r } = gu(e, t);
	Du(new Blob([r], { type: "image/svg+xml" }), `${wu(t, n)}.svg`);
}
async function Eu(e, t, n) {
	let { text: r, width: i, height: a } = gu(e, t), o = new Image();
	o.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(r)}`, await o.decode();
	let s = Math.min(Cu, 8192 / Math.max(i, a)), c = document.createElement("canvas");
	c.width = Math.round(i * s), c.height = Math.round(a * s), c.getContext("2d").drawImage(o, 0, 0, c.width, c.height);
	let l = await new Promise((e) => c.toBlob(e, "image/png"));
	if (l === null) throw Error("the browser could not make a PNG of this size");
	Du(l, `${wu(t, n)}.png`);
}
function Du(e, t) {
	let n = document.createElement("a");
	n.href = URL.createObjectURL(e), n.download = t, n.click(), setTimeout(() => URL.revokeObjectURL(n.href), 1e4);
}
// src/parts/Frame.svelte
var Ou = /* @__PURE__ */ K("<h2> </h2>"), ku = /* @__PURE__ */ K("<p class=\"iw-note\" role=\"alert\" data-no-export=\"\"> </p>"), Au = /* @__PURE__ */ K("<div class=\"iw-figure\"><div class=\"iw-head\"><!> <span class=\"iw-tools\" data-no-export=\"\"><button type=\"button\">PNG</button> <button type=\"button\">SVG</button></span></div> <!> <!></div>");
function ju(e, t) {
	Re(t, !0);
	let n = {
		tokens: fu,
		heatmap: zl,
		lens: zl,
		attention: wo,
		graph: Nl,
		series: eu,
		table: ou,
		card: Do,
		compare: Sl
	}, r = /* @__PURE__ */ N(() => n[t.view.kind]), i = /* @__PURE__ */ F(void 0), a = /* @__PURE__ */ F("");
	async function o() {
		I(a, "");
		try {
			await Eu(W(i), t.view.title, t.view.kind);
		} catch (e) {
			I(a, `No PNG could be made (${e instanceof Error ? e.message : e}). The SVG holds the same picture.`);
		}
	}
	var s = Au(), c = L(s), l = L(c), u = (e) => {
		var n = Ou(), r = z(n, !0);
		V(() => Y(r, t.view.title)), J(e, n);
	};
	X(l, (e) => {
		t.view.title && e(u);
	});
	var d = B(l, 2), f = L(d), p = B(f, 2);
	M(d), M(c);
	var m = B(c, 2);
	Rr(m, () => W(r), (e, n) => {
		n(e, { get view() {
			return t.view;
		} });
	});
	var h = B(m, 2), g = (e) => {
		var t = ku(), n = z(t, !0);
		V(() => Y(n, W(a))), J(e, t);
	};
	X(h, (e) => {
		W(a) && e(g);
	}), M(s), li(s, (e) => I(i, e), () => W(i)), V(() => {
		Q(s, "data-kind", t.view.kind), Q(f, "aria-label", `Save ${(t.view.title || t.view.kind) ?? ""} as PNG`), Q(p, "aria-label", `Save ${(t.view.title || t.view.kind) ?? ""} as SVG`);
	}), G("click", f, o), G("click", p, () => Tu(W(i), t.view.title, t.view.kind)), J(e, s), ze();
}
or(["click"]);
// src/record/bytes.ts
function Mu(e) {
	let t = atob(e), n = new Uint8Array(t.length);
	for (let e = 0; e < t.length; e++) n[e] = t.charCodeAt(e);
	return n;
}
async function Nu(e) {
	let t = new Blob([e]).stream().pipeThrough(new DecompressionStream("deflate"));
	return new Uint8Array(await new Response(t).arrayBuffer());
}
function Pu(e) {
	let t = e & 32768 ? -1 : 1, n = e >> 10 & 31, r = e & 1023;
	return n === 0 ? t * r * 2 ** -24 : n === 31 ? r ? NaN : t * Infinity : t * (1 + r / 1024) * 2 ** (n - 15);
}
var Fu = {
	bool: Uint8Array,
	uint8: Uint8Array,
	int8: Int8Array,
	uint16: Uint16Array,
	int16: Int16Array,
	uint32: Uint32Array,
	int32: Int32Array,
	float32: Float32Array,
	float64: Float64Array
};
function Iu(e, t) {
	if (t === "int64") return Float64Array.from(new BigInt64Array(e.buffer), Number);
	if (t === "uint64") return Float64Array.from(new BigUint64Array(e.buffer), Number);
	if (t === "float16") return Float32Array.from(new Uint16Array(e.buffer), Pu);
	let n = Fu[t];
	if (n === void 0) throw Error(`numbers of type ${t} cannot be read here`);
	return new n(e.buffer);
}
function Lu(e, t) {
	let n = Iu(e, t === "complex64" ? "float32" : "float64");
	return Array.from({ length: n.length / 2 }, (e, t) => {
		let r = n[2 * t + 1];
		return `${n[2 * t]}${r < 0 ? "" : "+"}${r}j`;
	});
}
// src/record/patterns.ts
var Ru = class {
	rows;
	columns;
	isTriangle;
	size;
	constructor(e, t, n) {
		this.rows = e, this.columns = t, this.isTriangle = n, this.size = n ? this.start(e) : e * t;
	}
	start(e) {
		return this.isTriangle ? e * (this.columns - this.rows + 1) + e * (e - 1) / 2 : e * this.columns;
	}
	width(e) {
		return this.isTriangle ? this.columns - this.rows + e + 1 : this.columns;
	}
}, zu = class {
	heads;
	queries;
	keys;
	dtype;
	layout;
	exact;
	quantised;
	constructor(e, t, n, r, i, a, o) {
		this.heads = e, this.queries = t, this.keys = n, this.dtype = r, this.layout = i, this.exact = a, this.quantised = o;
	}
	isExact(e) {
		return this.exact.has(e);
	}
	get bin() {
		return this.quantised?.bin ?? 1;
	}
	bound(e) {
		return this.exact.has(e) || this.quantised === null ? 0 : this.quantised.limits[e] / (this.quantised.isSigned ? 127 : 254) / 2;
	}
	at(e, t, n) {
		let r = this.exact.get(e);
		if (r !== void 0) return n < this.layout.width(t) ? r[this.layout.start(t) + n] : 0;
		let { layout: i, bin: a } = this.quantised, o = Math.floor(t / a), s = Math.floor(n / a);
		return s < i.width(o) ? this.decoded(e, i.start(o) + s) : 0;
	}
	decoded(e, t) {
		let { codes: n, layout: r, limits: i, isSigned: a } = this.quantised, o = n[e * r.size + t];
		return o === 255 ? NaN : a ? (o - 127) / 127 * i[e] : o / 254 * i[e];
	}
	thumbnail(e, t) {
		let n = new Float32Array(t * t), r = this.exact.get(e), i = r === void 0 ? this.quantised.layout : this.layout, a = Bu(i.columns, t);
		for (let o = 0; o < i.rows; o++) {
			let s = Math.floor(o * t / i.rows), c = Math.max(s, Math.ceil((o + 1) * t / i.rows) - 1), l = i.start(o), u = i.width(o);
			for (let i = 0; i < u; i++) {
				let o = r === void 0 ? this.decoded(e, l + i) : r[l + i];
				if (o !== 0) for (let e = s; e <= c; e++) for (let r = a[2 * i]; r <= a[2 * i + 1]; r++) {
					let i = e * t + r;
					Math.abs(o) > Math.abs(n[i]) && (n[i] = o);
				}
			}
		}
		return n;
	}
	limit(e) {
		if (this.quantised !== null) return this.quantised.limits[e];
		let t = 0, n = this.exact.get(e);
		for (let e = 0; e < n.length; e++) {
			let r = Math.abs(n[e]);
			r > t && r !== Infinity && (t = r);
		}
		return t;
	}
	get isSigned() {
		if (this.quantised !== null) return this.quantised.isSigned;
		for (let e of this.exact.values()) for (let t = 0; t < e.length; t++) if (e[t] < 0) return !0;
		return !1;
	}
};
function Bu(e, t) {
	let n = new Int32Array(2 * e);
	for (let r = 0; r < e; r++) {
		let i = Math.floor(r * t / e);
		n[2 * r] = i, n[2 * r + 1] = Math.max(i, Math.ceil((r + 1) * t / e) - 1);
	}
	return n;
}
var Vu = [
	"tokens",
	"heatmap",
	"attention",
	"lens",
	"graph",
	"series",
	"table",
	"card",
	"compare"
], Hu = class extends Error {}, Uu = {
	NaN: NaN,
	Infinity: Infinity,
	"-Infinity": -Infinity
};
function Wu(e) {
	return JSON.parse(e, (e, t) => typeof t == "object" && t && "$float" in t ? Uu[t.$float] : t);
}
function Gu(e) {
	if (e?.format !== "innerworks view") throw new Hu(`This is not an innerworks view (its format is ${JSON.stringify(e?.format)}).`);
	if (typeof e.schema != "number" || e.schema < 1) throw new Hu(`This view has the schema ${JSON.stringify(e.schema)}, which never existed.`);
	if (e.schema > 1) throw new Hu(`This view has schema ${e.schema}, and this page draws schemas up to 1. A newer innerworks can draw it: pip install --upgrade innerworks.`);
	if (!Vu.includes(e.kind)) throw new Hu(`This is a ${JSON.stringify(e.kind)} view of schema ${e.schema}. This page draws schema 1, with the kinds ${Vu.join(", ")}. A newer innerworks may know it.`);
}
async function Ku(e) {
	Gu(e);
	let t = {
		kind: e.kind,
		title: e.title,
		state: e.state,
		arrays: Object.create(null),
		names: []
	};
	for (let n of e.arrays) t.names.push(n.name), t.kind === "attention" && n.name === "pattern" ? t.patterns = await Yu(n) : t.arrays[n.name] = await qu(n);
	return t;
}
async function qu(e) {
	if (e.dtype === "text" || e.dtype === "object") return {
		dtype: e.dtype,
		shape: e.shape,
		items: e.items
	};
	let t = await Ju(e);
	return e.dtype.startsWith("complex") ? {
		dtype: "text",
		shape: e.shape,
		items: Lu(t, e.dtype)
	} : {
		dtype: e.dtype,
		shape: e.shape,
		values: Iu(t, e.dtype)
	};
}
async function Ju(e) {
	return e.deflate === void 0 ? Mu(e.base64) : Nu(Mu(e.deflate));
}
async function Yu(e) {
	let [t, n, r] = e.shape;
	if (e.quantised === void 0) {
		let { values: i, dtype: a } = await qu(e), o = new Ru(n, r, !1);
		return new zu(t, n, r, a, o, Xu(i, [...Array(t).keys()], o.size), null);
	}
	let i = e.quantised, a = Math.ceil(n / i.bin), o = Math.ceil(r / i.bin), s = {
		codes: await Ju(i),
		layout: new Ru(a, o, i.triangle),
		bin: i.bin,
		limits: i.limits,
		isSigned: i.signed
	}, c = new Ru(n, r, e.exact.triangle), l = Iu(await Ju(e.exact), e.dtype);
	return new zu(t, n, r, e.dtype, c, Xu(l, e.exact.heads, c.size), s);
}
function Xu(e, t, n) {
	let r = e;
	return new Map(t.map((e, t) => [e, r.subarray(t * n, (t + 1) * n)]));
}
// src/mount.ts
async function Zu(e, t) {
	t.classList.add("iw-live");
	try {
		let n = xr(ju, {
			target: t,
			props: { view: await Ku(e) }
		});
		return {
			isDrawn: !0,
			remove: () => void Tr(n)
		};
	} catch (e) {
		let n = e instanceof Hu ? e.message : `This view could not be read: ${e instanceof Error ? e.message : e}.`, r = document.createElement("p");
		return r.className = "iw-note iw-refusal", r.setAttribute("role", "note"), r.textContent = n, t.replaceChildren(r), {
			isDrawn: !1,
			remove: () => r.remove()
		};
	}
}
// src/widget.ts
async function Qu({ model: e, el: t }) {
	let n = null, r = 0, i = async () => {
		let i = ++r, a = document.createElement("div"), o = await Zu(Wu(String(e.get("record"))), a);
		if (i !== r) return o.remove();
		n?.remove(), n = o, t.classList.add("iw"), t.replaceChildren(a);
	};
	return e.on("change:record", i), await i(), () => {
		e.off("change:record", i), r++, n?.remove();
	};
}
var $u = { render: Qu };
export { $u as default };
